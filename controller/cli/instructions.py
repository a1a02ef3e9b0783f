"""Dockerfile instructions of `--change`, carried out on an image's configuration.

https://docs.docker.com/reference/cli/docker/container/commit/#change
"""

import re
import shlex
from collections.abc import Callable, Mapping

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure

Config = resource_pb2.ImageConfig

KNOWN = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR"
_VARIABLE = re.compile(
    r"\\(?P<escaped>.)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<operator>[-+])(?P<word>[^}]*))?\})"
)
_HEALTH_FLAG = re.compile(r"--(interval|timeout|start-period|start-interval|retries)=(\S+)\s*")
_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_PORT = 65535


def apply_instruction(config: Config, text: str) -> None:
    """Carry out one instruction; Failure when it is none of those that can be, or is written wrong.

    Variables stand for what ENV has set, as in a Dockerfile; one that nothing has set is an error.
    """
    word, _, rest = text.strip().partition(" ")
    apply = _INSTRUCTIONS.get(word.upper())
    if apply is None:
        raise Failure(f"--change: {word!r} can't be changed: use {KNOWN}")
    rest = rest.strip()
    if not rest:
        raise Failure(f"--change {word}: nothing follows it")
    apply(config, rest)


def _set_command(config: Config, text: str) -> None:
    config.command.Clear()
    config.command.extend(_parse_words(text))


def _set_entrypoint(config: Config, text: str) -> None:
    config.entrypoint.Clear()
    config.entrypoint.extend(_parse_words(text))


def _set_environment(config: Config, text: str) -> None:
    config.environment.update(_parse_pairs(expand(text, config.environment)))


def _set_labels(config: Config, text: str) -> None:
    config.labels.update(_parse_pairs(expand(text, config.environment)))


def _set_working_dir(config: Config, text: str) -> None:
    path = expand(text, config.environment)
    before = config.working_dir.rstrip("/")
    config.working_dir = path if path.startswith("/") else f"{before}/{path}"


def _set_user(config: Config, text: str) -> None:
    config.user = expand(text, config.environment)


def _set_stop_signal(config: Config, text: str) -> None:
    config.stop_signal = expand(text, config.environment)


def _add_ports(config: Config, text: str) -> None:
    for word in expand(text, config.environment).split():
        match = _PORT.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if match is None or not 0 < first <= last <= _MOST_PORT:
            raise Failure(f"--change EXPOSE: {word!r} is not a port: write 80, 80/udp or 8000-8010")
        for port in range(first, last + 1):
            name = f"{port}/{match[3] or 'tcp'}"
            if name not in config.exposed_ports:
                config.exposed_ports.append(name)


def _add_volumes(config: Config, text: str) -> None:
    whole = expand(text, config.environment)
    paths = _parse_words(whole) if whole.startswith("[") else whole.split()
    config.volumes.extend(path for path in paths if path not in config.volumes)


def _set_healthcheck(config: Config, text: str) -> None:
    check = resource_pb2.Healthcheck()
    rest = text
    while (match := _HEALTH_FLAG.match(rest)) is not None:
        rest = rest[match.end() :]
        if match[1] == "retries":
            if not match[2].isdigit():
                raise Failure(f"--change HEALTHCHECK: --retries {match[2]!r} is not a number")
            check.retries = int(match[2])
        else:
            setattr(check, f"{match[1].replace('-', '_')}_s", _parse_duration_s(match[2]))
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command:
        check.test.append("NONE")
    elif kind.upper() == "CMD" and command.strip():
        words = command.strip()
        check.test.extend(["CMD", *_parse_words(words)] if words.startswith("[") else ["CMD-SHELL", words])
    else:
        raise Failure("--change HEALTHCHECK: write [--interval=5s ...] CMD COMMAND, or NONE")
    config.healthcheck.CopyFrom(check)


_INSTRUCTIONS: Mapping[str, Callable[[Config, str], None]] = {
    "CMD": _set_command,
    "ENTRYPOINT": _set_entrypoint,
    "ENV": _set_environment,
    "EXPOSE": _add_ports,
    "HEALTHCHECK": _set_healthcheck,
    "LABEL": _set_labels,
    "STOPSIGNAL": _set_stop_signal,
    "USER": _set_user,
    "VOLUME": _add_volumes,
    "WORKDIR": _set_working_dir,
}


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return the text with `$NAME`, `${NAME}`, `${NAME:-WORD}` and `${NAME:+WORD}` filled in; `\\$` stands for itself."""

    def replace(match: "re.Match[str]") -> str:
        if match["escaped"] is not None:
            return "$" if match["escaped"] == "$" else match[0]
        name = match["plain"] or match["name"]
        value = environment.get(name, "")
        if match["operator"] == "-":
            return value or str(match["word"])
        if match["operator"] == "+":
            return str(match["word"]) if value else ""
        if name not in environment:
            raise Failure(
                f"--change: ${name} is not set by an ENV before: write the value out, or \\${name} for the text"
            )
        return value

    return _VARIABLE.sub(replace, text)


def _parse_words(text: str) -> list[str]:
    """Return the words of a JSON array, or a shell that runs the text."""
    if not text.startswith("["):
        return ["/bin/sh", "-c", text]
    import json

    try:
        words = json.loads(text)
    except ValueError as error:
        raise Failure(f"--change: {text!r} is not a JSON array of words") from error
    if not all(isinstance(word, str) for word in words):
        raise Failure(f"--change: {text!r} is not a JSON array of words")
    return [str(word) for word in words]


def _parse_pairs(text: str) -> dict[str, str]:
    """Return `NAME=VALUE` pairs, or the one pair of the older form `NAME VALUE`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Failure(f"--change: a quotation in {text!r} is not closed") from error
    if "=" not in words[0]:
        name, _, value = text.partition(" ")
        if not value:
            raise Failure(f"--change: {text!r} has no value: write NAME=VALUE")
        return {name: value.strip()}
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise Failure(f"--change: {name!r} in {text!r} has no value: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _parse_duration_s(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Failure(f"--change HEALTHCHECK: {text!r} is not a time: write 5s or 1m30s")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
