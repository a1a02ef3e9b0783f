"""The files of one log: the one that conmon writes, and earlier ones with a number appended, the higher the later.

Numbers are never used twice and files never renamed, so that a number says for ever which part of the log it is. Lines
are in the CRI format: time, stream, P or F (part of a line, its end), text.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from controller.errors import NotFound
from controller.ports import LogLine, Stream

_CHUNK_BYTES = 1 << 18
_LINE_END = b"F"
_MARKS = "runs.json"


def parse_line(line: bytes) -> LogLine | None:
    """Return one line of the file, None for what is not in the format (cut off by a crash)."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4 or parts[2] not in (b"P", _LINE_END):
        return None
    try:
        at = datetime.fromisoformat(_cut_nanoseconds(parts[0].decode()))
        stream = Stream(parts[1].decode())
    except ValueError:
        return None
    return LogLine(at=at, stream=stream, data=parts[3] + (b"\n" if parts[2] == _LINE_END else b""))


def _cut_nanoseconds(text: str) -> str:
    """Python's times have six digits of a second, conmon's nine."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}{dot}{rest[: min(digits, 6)]}{rest[digits:]}"


def list_numbers(path: Path) -> list[int]:
    """Return the numbers of the earlier files of the log at `path`, oldest first."""
    prefix = f"{path.name}."
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names, not paths
    except FileNotFoundError:
        return []
    ends = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return sorted(int(end) for end in ends if end.isdecimal())


def number_path(path: Path, number: int) -> Path:
    """Return the path of an earlier file."""
    return path.with_name(f"{path.name}.{number:08d}")


def open_file(path: Path) -> int | None:
    """Open a file of a log; None when it is gone."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def read_inode(path: Path) -> tuple[int, int] | None:
    """Return which file lies at a path; None when none does."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino)


class LineReader:
    """Reads the lines of one open file from where it stands; what is written later can be read later."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""

    @property
    def inode(self) -> tuple[int, int]:
        """Which file it is."""
        status = os.fstat(self._fd)
        return (status.st_dev, status.st_ino)

    def read(self) -> list[LogLine] | None:
        """Return some more whole lines; None when there are none at present."""
        data = os.read(self._fd, _CHUNK_BYTES)
        if not data:
            return None
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line for text in whole if (line := parse_line(text)) is not None]

    def skip_to_last(self, lines: int) -> int:
        """Go to where the last `lines` lines begin; returns how many there are from there on, fewer if the file has."""
        end = place = _measure_lines(self._fd)
        found = 0
        for start, record in _iterate_backwards(self._fd, end):
            if place == end or record.split(b" ", 3)[2:3] == [_LINE_END]:
                if found == lines:
                    break
                found += 1
            place = start
        os.lseek(self._fd, place, os.SEEK_SET)
        return found

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _iterate_backwards(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines before `end`, which follows a newline, from the last to the first, with where each begins."""
    position = max(0, end - 1)
    carry = b""
    while position > 0:
        size = min(_CHUNK_BYTES, position)
        position -= size
        carry, *records = (os.pread(fd, size, position) + carry).split(b"\n")
        starts = itertools.accumulate(
            (len(record) + 1 for record in [carry, *records[:-1]]), initial=position
        )
        yield from reversed(list(zip(starts, [carry, *records], strict=False))[1:])
    if carry:
        yield 0, carry


def _measure_lines(fd: int) -> int:
    """Return where the last newline ends, 0 when there is none: what follows is still being written."""
    position = os.fstat(fd).st_size
    while position > 0:
        size = min(_CHUNK_BYTES, position)
        position -= size
        place = os.pread(fd, size, position).rfind(b"\n")
        if place >= 0:
            return position + place + 1
    return 0


def remove_numbers(path: Path, *, keep: int) -> None:
    """Remove the oldest of the earlier files until only `keep` are left."""
    numbers = list_numbers(path)
    for number in numbers[: max(0, len(numbers) - keep)]:
        with contextlib.suppress(FileNotFoundError):
            number_path(path, number).unlink()


def mark_run(path: Path, now_s: float) -> None:
    """Write down that another process writes from now on; the times of the last two are kept."""
    marks_path = path.with_name(_MARKS)
    earlier = _read_marks(path)
    draft_path = marks_path.with_suffix(".new")
    draft_path.write_text(json.dumps([*earlier, now_s][-2:]))
    draft_path.replace(marks_path)


def read_previous_span(path: Path) -> tuple[datetime, datetime]:
    """Return from when until when the process before the present one wrote; NotFound when there was none."""
    marks = _read_marks(path)
    if len(marks) < 2:
        raise NotFound("there was no earlier run: leave --previous out")
    begin, end = (datetime.fromtimestamp(mark, UTC) for mark in marks)
    return begin, end


def _read_marks(path: Path) -> list[float]:
    try:
        return [float(mark) for mark in json.loads(path.with_name(_MARKS).read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []
