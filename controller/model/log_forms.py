"""Docker's words for logs, as `--log-opt` and the daemon's settings take them; needs no pydantic.

https://docs.docker.com/engine/logging/configure/
"""

import re
from collections.abc import Mapping

from controller.model.quantities import parse_size_bytes

DRIVERS = ("json-file", "local", "journald", "none")
_FILES = frozenset({"maxSize", "maxFiles", "compress"})
_MARKS = frozenset({"tag", "labels", "labelsRegex", "environment", "environmentRegex"})
_ANY = frozenset({"mode", "maxBufferSize"})

DRIVER_OPTIONS = {
    "json-file": _FILES | _MARKS | _ANY,
    "local": _FILES | _ANY,
    "journald": _MARKS | _ANY,
    "none": _FILES | _MARKS | _ANY,
}
"""What can be said to each driver, by the manifest's names."""

TAG_WORD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
TAG_WORDS = ("ID", "FullID", "Name", "ImageName", "DaemonName")

LOG_OPTIONS = {
    "max-size": "maxSize",
    "max-file": "maxFiles",
    "compress": "compress",
    "tag": "tag",
    "labels": "labels",
    "labels-regex": "labelsRegex",
    "env": "environment",
    "env-regex": "environmentRegex",
    "mode": "mode",
    "max-buffer-size": "maxBufferSize",
}
"""Docker's name of each option to the manifest's."""


def parse_log_options(options: Mapping[str, object], driver: str = "") -> dict[str, object]:
    """Return a manifest's `logging` for Docker's options, such as `max-size: 10m`; ValueError names the wrong one.

    Without a driver any option may be given.
    """
    found: dict[str, object] = {"driver": driver} if driver else {}
    if driver and driver not in DRIVERS:
        raise ValueError(f"no log driver is named {driver!r}: use {', '.join(DRIVERS)}")
    for name, text in options.items():
        field = LOG_OPTIONS.get(name)
        if field is None or (driver and field not in DRIVER_OPTIONS[driver]):
            known = [each for each, key in LOG_OPTIONS.items() if not driver or key in DRIVER_OPTIONS[driver]]
            of_driver = f" of {driver}" if driver else ""
            raise ValueError(f"{name}: is no option{of_driver}: known are {', '.join(known)}")
        try:
            found[field] = _parse_value(field, str(text))
        except ValueError as error:
            raise ValueError(f"{name}={text}: {error}") from error
    return found


def _parse_value(field: str, text: str) -> object:
    match field:
        case "maxSize" | "maxBufferSize":
            return parse_size_bytes(text)
        case "maxFiles":
            if not text.isdecimal():
                raise ValueError("is not a number")
            return int(text)
        case "compress":
            return _parse_boolean(text)
        case "labels" | "environment":
            return [name for name in map(str.strip, text.split(",")) if name]
        case "mode" if text not in ("blocking", "non-blocking"):
            raise ValueError("write blocking or non-blocking")
        case _:
            return text


def _parse_boolean(text: str) -> bool:
    """Read a boolean as Go's strconv.ParseBool does."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError("is neither true nor false")
