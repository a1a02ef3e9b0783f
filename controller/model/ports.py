"""Published ports: the long form, and Docker's short forms."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.model.base import Model
from controller.model.units import Number

Protocol = Literal["tcp", "udp"]

_SHORT = re.compile(
    r"^(?:(?:(?P<ip>\d+\.\d+\.\d+\.\d+):)?(?P<host>\d+(?:-\d+)?)?:)?(?P<container>\d+(?:-\d+)?)(?:/(?P<protocol>[a-z]+))?$"
)


def _check_host_ip(text: str) -> str:
    if text == "":
        return text
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address") from error
    return "" if address.is_unspecified else str(address)


class PortMapping(Model):
    """One port of the host that leads to one port of a container."""

    host_ip: Annotated[str, AfterValidator(_check_host_ip)] = Field(
        default="", alias="hostIP", description="Host address to publish on; every address when empty."
    )
    host_port: Number = Field(
        default=0, ge=0, le=65535, description="Port of the host; 0 lets hold choose a free one."
    )
    container_port: Number = Field(ge=1, le=65535, description="Port that the process listens on.")
    protocol: Protocol = Field(default="tcp", description="tcp or udp.")

    def __str__(self) -> str:
        host = f"{self.host_ip or '*'}:{self.host_port}"
        return f"{host}->{self.container_port}/{self.protocol}"


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

    ValueError says what is wrong with the text.
    """
    match = _SHORT.match(short)
    if match is None:
        raise ValueError(
            f"{short!r} is not a port: write [IP:][HOST:]CONTAINER[/tcp|udp], such as 8080:80/tcp"
        )
    inside = _parse_range(match["container"], short)
    outside = _parse_range(match["host"], short) if match["host"] else None
    if outside is not None and len(outside) != len(inside):
        raise ValueError(f"{short!r}: {len(outside)} host ports can't lead to {len(inside)} container ports")
    common: dict[str, object] = {"hostIP": match["ip"] or "", "protocol": match["protocol"] or "tcp"}
    return [
        common | {"containerPort": port, "hostPort": outside[index] if outside is not None else 0}
        for index, port in enumerate(inside)
    ]


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
