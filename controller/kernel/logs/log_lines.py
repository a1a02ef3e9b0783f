"""Lines in the CRI format (time, stream, P or F for a part of a line or its end, text), read from one file of a log.

What conmon reads at once it gives one time (conmon, src/ctr_logging.c), so that lines come in runs of equal beginnings;
a run is one piece here, which makes the difference between some thousand and some million values a second.
"""

import gzip
import itertools
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from controller.ports import LogLine, Stream

_CHUNK_BYTES = 1 << 18
_LINE_END = b"F"


class _Readable(Protocol):
    """A file, or what a compressed one holds."""

    def read(self, size: int, /) -> bytes | None: ...
    def seek(self, offset: int, /) -> int: ...


def parse_records(records: Iterable[bytes]) -> list[LogLine]:
    """Return the pieces in lines of a file; what is not in the format (cut off by a crash) is left out."""
    pieces: list[LogLine] = []
    run, beginning, texts = None, b"", list[bytes]()
    for record in records:
        if run is not None and record.startswith(beginning):
            texts.append(record[len(beginning) :])
            continue
        if run is not None:
            pieces.append(_join(run, beginning, texts))
        run = _parse_beginning(record)
        if run is not None:
            text = record.split(b" ", 3)[3]
            beginning, texts = record[: len(record) - len(text)], [text]
    if run is not None:
        pieces.append(_join(run, beginning, texts))
    return pieces


def _parse_beginning(record: bytes) -> tuple[datetime, Stream] | None:
    parts = record.split(b" ", 3)
    if len(parts) < 4 or parts[2] not in (b"P", _LINE_END):
        return None
    try:
        return datetime.fromisoformat(_cut_nanoseconds(parts[0].decode())), Stream(parts[1].decode())
    except ValueError:
        return None


def _join(run: tuple[datetime, Stream], beginning: bytes, texts: list[bytes]) -> LogLine:
    end = b"\n" if beginning.endswith(b" F ") else b""
    return LogLine(at=run[0], stream=run[1], data=end.join(texts) + end)


def _cut_nanoseconds(text: str) -> str:
    """Python's times have six digits of a second, conmon's nine."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}{dot}{rest[: min(digits, 6)]}{rest[digits:]}"


class LineReader:
    """Reads one open file from where it stands; what is written later can be read later. It may be compressed."""

    def __init__(self, fd: int, *, compressed: bool = False) -> None:
        self._raw = os.fdopen(fd, "rb", buffering=0)
        self._file: _Readable = gzip.GzipFile(fileobj=self._raw, mode="rb") if compressed else self._raw
        self._compressed = compressed
        self._rest = b""

    @property
    def inode(self) -> tuple[int, int]:
        """Which file it is."""
        status = os.fstat(self._raw.fileno())
        return (status.st_dev, status.st_ino)

    def read(self) -> list[LogLine] | None:
        """Return some more pieces; None when there are none at present."""
        data = self._file.read(_CHUNK_BYTES)
        if not data:
            return None
        *whole, self._rest = (self._rest + data).split(b"\n")
        return parse_records(whole)

    def skip_to_last(self, lines: int) -> int:
        """Go to where the last `lines` lines begin; returns how many there are from there on, fewer if the file has."""
        if self._compressed:
            place, found = _find_forwards(self._file, lines)
        else:
            place, found = _find_backwards(self._raw.fileno(), lines)
        self._file.seek(place)
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()


def _find_backwards(fd: int, lines: int) -> tuple[int, int]:
    """Return where the last `lines` lines begin, and how many there are, looking at no more than these."""
    end = place = _measure_lines(fd)
    found = 0
    for start, record in _iterate_backwards(fd, end):
        if place == end or _ends_line(record):
            if found == lines:
                break
            found += 1
        place = start
    return place, found


def _find_forwards(file: _Readable, lines: int) -> tuple[int, int]:
    """The same for a file that can only be read from its beginning."""
    starts: deque[int] = deque(maxlen=lines)
    position, rest, is_fresh = 0, b"", True
    while data := file.read(_CHUNK_BYTES):
        *records, rest = (rest + data).split(b"\n")
        for record in records:
            if is_fresh:
                starts.append(position)
            position += len(record) + 1
            is_fresh = _ends_line(record)
    return (starts[0] if starts else position), len(starts)


def _ends_line(record: bytes) -> bool:
    return record.split(b" ", 3)[2:3] == [_LINE_END]


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


def cut_to_last(pieces: Iterable[LogLine], lines: int) -> list[LogLine]:
    """Return the last `lines` lines of pieces in order; what follows the last newline is a line too."""
    parts = [
        LogLine(at=piece.at, stream=piece.stream, data=part)
        for piece in pieces
        for part in re.findall(rb"[^\n]*\n|[^\n]+", piece.data)
    ]
    ends = [index + 1 for index, part in enumerate(parts[:-1]) if part.data.endswith(b"\n")]
    if lines > len(ends):
        return parts
    return parts[ends[-lines] :] if lines else []
