"""Tables and times for people."""

from collections.abc import Sequence
from datetime import UTC, datetime


def render_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, with_headers: bool = True) -> str:
    """Return aligned columns, three spaces apart."""
    lines = [list(headers)] if with_headers else []
    lines += [list(row) for row in rows]
    return align(lines, measure(lines) if lines else [])


def measure(lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column."""
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def align(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Return lines with columns of the given widths, three spaces apart."""
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def render_age(moment: str, now: datetime) -> str:
    """Return `5s`, `3m`, `2h` or `9d` since an RFC 3339 time; `-` without one."""
    if not moment:
        return "-"
    seconds = max(0, int((now - parse_time(moment)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit == "m" and seconds >= 120):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def render_long_age(moment: str, now: datetime) -> str:
    """Return `5 seconds`, `About a minute`, `3 hours` as Docker words it."""
    seconds = max(0, int((now - parse_time(moment)).total_seconds())) if moment else 0
    if seconds < 1:
        return "Less than a second"
    for size, unit in ((604800 * 2, "week"), (86400 * 2, "day"), (3600 * 2, "hour"), (60 * 2, "minute")):
        one = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60}[unit]
        if seconds >= size:
            return f"{seconds // one} {unit}s"
    if seconds >= 3600:
        return "About an hour"
    return "About a minute" if seconds >= 60 else f"{seconds} second{'s' if seconds > 1 else ''}"


def render_size(size_bytes: int, *, digits: int = 3) -> str:
    """Return `1.23MB` with units of 1000 and at most so many digits, as Docker prints sizes."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if float(f"{size:.{digits}g}") < 1000:
            return f"{size:.{digits}g}{unit}"
        size /= 1000
    return f"{size:.{digits}g}PB"


def parse_time(text: str) -> datetime:
    """Return the time of an RFC 3339 text."""
    whole, dot, rest = text.removesuffix("Z").partition(".")
    micros = (rest[:6] if dot else "0").ljust(6, "0")
    return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC, microsecond=int(micros))


def read_now() -> datetime:
    """Return the present time."""
    import time

    return datetime.fromtimestamp(time.time(), UTC)
