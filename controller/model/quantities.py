"""Texts for sizes and durations; needs no pydantic, so that the command line can read its flags quickly."""

import re

_SIZE_UNITS = {
    "": 1, "b": 1,
    "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "ki": 1 << 10,
    "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20, "mi": 1 << 20,
    "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30, "gi": 1 << 30,
    "t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40, "ti": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_DURATION_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_size_bytes(text: object) -> object:
    """Return bytes for Docker's sizes (`64m`, `64MiB`, `1.5g`; powers of 1024); integers pass as they are.

    ValueError tells what is wrong. Other types are left for the field's own validation.
    """
    if isinstance(text, bool):
        raise ValueError("a size is a number or a text such as 64MiB, not a boolean")
    if not isinstance(text, str):
        return text
    match = _SIZE.match(text)
    if match is None or match[2].lower() not in _SIZE_UNITS:
        raise ValueError(
            f"{text!r} is not a size: write a number with an optional unit, such as 64MiB or 1.5g"
        )
    return int(float(match[1]) * _SIZE_UNITS[match[2].lower()])


def print_size(size_bytes: int) -> str:
    """Return a size as people write it (`64MiB`), in the largest unit that it is a whole number of."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _SIZE_UNITS[unit.lower()]
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return f"{size_bytes} bytes"


def parse_duration_s(text: object) -> object:
    """Return seconds for Go's durations (`1m30s`, `500ms`); numbers are seconds.

    ValueError tells what is wrong. Other types are left for the field's own validation.
    """
    if isinstance(text, bool):
        raise ValueError("a duration is a number of seconds or a text such as 1m30s, not a boolean")
    if not isinstance(text, str):
        return text
    try:
        return float(text)
    except ValueError:
        pass
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: write seconds or a text such as 500ms, 30s or 1m30s")
    return sum(float(number) * _DURATION_UNITS_S[unit] for number, unit in parts)
