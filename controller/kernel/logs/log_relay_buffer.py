"""What waits between who writes a log and who takes it in: whole lines, a bounded number of bytes of them.

Lines are in the CRI format: time, stream, P or F for a part of a line or its end, text.
"""

import threading
from collections import deque
from dataclasses import dataclass

_HEAD_BYTES = 64
"""More than what stands before a record's text."""


def find_line_end(records: bytes, limit: int) -> int:
    """Return where the last line ends that lies before `limit` with all its parts; 0 when none does."""
    end = records.rfind(b"\n", 0, max(limit, 0)) + 1
    while end:
        start = records.rfind(b"\n", 0, end - 1) + 1
        if _is_line_end(records[start : start + _HEAD_BYTES]):
            return end
        end = start
    return 0


def count_lines(records: bytes) -> int:
    """Return how many lines end in these records."""
    return sum(_is_line_end(record[:_HEAD_BYTES]) for record in records.split(b"\n"))


def _is_line_end(head: bytes) -> bool:
    return head.split(b" ", 3)[2:3] == [b"F"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines to take in, each with its end, and how many were dropped before them; or a place to begin a new file."""

    lines: bytes = b""
    dropped: int = 0
    begins_file: bool = False


class Buffer:
    """Lines of one writer for one taker, each a thread of its own.

    When `most_bytes` wait, the writer waits too; with `drops` what it brings is dropped and counted instead, as Docker
    does: what waits already is kept.
    """

    def __init__(self, most_bytes: int, *, drops: bool) -> None:
        self._most_bytes = most_bytes
        self._drops = drops
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, lines: bytes) -> None:
        """Add whole lines."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(
                    lambda: not self._bytes or self._bytes + len(lines) <= self._most_bytes
                )
            room = self._most_bytes - self._bytes if self._drops else len(lines)
            end = len(lines) if len(lines) <= room else find_line_end(lines, room)
            if end:
                self._append(Batch(lines=lines[:end], dropped=self._dropped))
                self._dropped = 0
            self._dropped += count_lines(lines[end:])

    def begin_file(self) -> None:
        """Have what comes from now on go into another file."""
        with self._changed:
            self._append(Batch(begins_file=True))

    def close(self) -> None:
        """Tell that nothing more comes."""
        with self._changed:
            if self._dropped:
                self._append(Batch(dropped=self._dropped))
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Batch | None:
        """Wait for what is next; None at the end. Its room is given back by `give_back`."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._closed)
            return self._batches.popleft() if self._batches else None

    def give_back(self, batch: Batch) -> None:
        """Let others have the room of what was taken in."""
        with self._changed:
            self._bytes -= len(batch.lines)
            self._changed.notify_all()

    def _append(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._bytes += len(batch.lines)
        self._changed.notify_all()
