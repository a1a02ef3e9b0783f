"""Docker's short forms of ports, mounts, restart policies and ulimits, read into the long ones.

Needs no pydantic, so that the command line can read its flags quickly.
"""

import re

_SHORT = re.compile(
    r"^(?:(?:(?P<ip>\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):)?(?P<host>\d+(?:-\d+)?)?:)?"
    r"(?P<container>\d+(?:-\d+)?)(?:/(?P<protocol>[a-z]+))?$"
)


def _parse_range(text: str, short: str) -> range:
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if high > 65535 or low < 1:
        raise ValueError(f"{short!r}: port {high if high > 65535 else low} is not between 1 and 65535")
    if low > high:
        raise ValueError(f"{short!r}: the range {text} runs backwards")
    return range(low, high + 1)


def parse_port(short: str) -> list[dict[str, object]]:
    """Return the long forms of `[IP:][HOST:]CONTAINER[/PROTOCOL]`; ranges give one for each port.

    Several host ports for one port of the container stand for one of them, whichever is free; host port 0 for any.
    An IPv6 address is in brackets.
    ValueError says what is wrong with the text.
    """
    match = _SHORT.match(short)
    if match is None:
        raise ValueError(
            f"{short!r} is not a port: write [IP:][HOST:]CONTAINER[/tcp|udp|sctp], such as 8080:80/tcp"
        )
    inside = _parse_range(match["container"], short)
    outside = _parse_range(match["host"], short) if match["host"] not in (None, "0") else None
    host_ip = (match["ip"] or "").strip("[]")
    common: dict[str, object] = {"hostIP": host_ip, "protocol": match["protocol"] or "tcp"}
    if outside is None:
        return [common | {"containerPort": port, "hostPort": 0} for port in inside]
    if len(inside) == 1 < len(outside):
        ends = {"hostPort": outside[0], "hostPortEnd": outside[-1]}
        return [common | {"containerPort": inside[0], **ends}]
    if len(outside) != len(inside):
        raise ValueError(f"{short!r}: {len(outside)} host ports can't lead to {len(inside)} container ports")
    pairs = zip(outside, inside, strict=True)
    return [common | {"containerPort": port, "hostPort": host_port} for host_port, port in pairs]


def expand_ports(value: object) -> object:
    """Return a list of long forms for a list that may have short ones (texts, bare numbers) in it."""
    if not isinstance(value, list | tuple):
        return value
    long: list[object] = []
    for item in value:
        if isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)):
            long.extend(parse_port(str(item)))
        else:
            long.append(item)
    return tuple(long)


def parse_restart(value: object) -> object:
    """Return the long form of `always` or `on-failure:3`; ValueError says what is wrong."""
    if value is False:  # YAML 1.1 reads a bare `no` as false
        return {"name": "no"}
    if not isinstance(value, str):
        return value
    name, colon, count = value.partition(":")
    if not colon:
        return {"name": name}
    if name != "on-failure":
        raise ValueError(f"{value!r}: only on-failure takes a number of retries")
    if not count.isdigit():
        raise ValueError(f"{value!r}: {count!r} is not a number of retries")
    return {"name": name, "max_retries": int(count)}


def parse_number_list(value: object) -> object:
    """Return a list of numbers as it is; ValueError for a text that is none, such as 2-1."""
    if not isinstance(value, str):
        return value
    for part in value.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"{value!r} is not a list of numbers: write one such as 0-2,7")
    return value


def parse_ulimit(value: object) -> object:
    """Return the long form of `SOFT`, `SOFT:HARD` or a number; -1 and `unlimited` are without a limit.

    ValueError says what is wrong.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return {"soft": value, "hard": value}
    if not isinstance(value, str):
        return value
    soft, colon, hard = value.partition(":")
    numbers = []
    for text in (soft, hard) if colon else (soft, soft):
        number = "-1" if text == "unlimited" else text
        if not re.fullmatch(r"-1|\d+", number):
            raise ValueError(
                f"{value!r}: {text!r} is not a limit: write SOFT or SOFT:HARD, such as 1024:2048"
            )
        numbers.append(int(number))
    return {"soft": numbers[0], "hard": numbers[1]}
