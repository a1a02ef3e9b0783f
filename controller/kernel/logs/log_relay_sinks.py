"""What takes a relay's lines in: a file, or the systemd journal. Lines are in the CRI format, each with its end."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from controller.kernel.logs.log_relay_buffer import count_lines

JOURNAL_PATH = "/run/systemd/journal/socket"
_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_STDERR, _PART = b"stderr", b"P"
_INFORMATION, _WARNING, _ERROR = b"6", b"4", b"3"
_PAUSE_S, _PATIENCE_S = 0.05, 5.0


class Sink(Protocol):
    """Takes lines in; may take its time, during which they wait in the buffer."""

    def write(self, lines: bytes) -> int:
        """Return how many of the lines could not be taken in."""
        ...

    def tell_dropped(self, count: int) -> None:
        """Leave a mark where lines are missing."""
        ...

    def begin_file(self) -> None:
        """Go on in another file, where there are files."""
        ...


def _word(count: int) -> bytes:
    lines = "1 line was" if count == 1 else f"{count} lines were"
    return f"hold: {lines} dropped here: the log could not be written as fast".encode()


def _stamp() -> bytes:
    """Return the time as conmon writes it."""
    seconds, rest_ns = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{rest_ns:09d}+00:00", time.gmtime(seconds)).encode()


class FileSink:
    """The present file of a log, named and replaced as conmon does it; one of `most_bytes` is started afresh."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._fd = os.open(path, _APPENDING, 0o640)

    def write(self, lines: bytes) -> int:
        if os.fstat(self._fd).st_size + len(lines) > self._most_bytes:
            self.begin_file()
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:  # the disk is full, or broken
            return count_lines(bytes(view))
        return 0

    def tell_dropped(self, count: int) -> None:
        self.write(b"%b stderr F %b\n" % (_stamp(), _word(count)))

    def begin_file(self) -> None:
        """Put the file that was made beside in the place of the present one."""
        draft_path = self._path.with_name(f"{self._path.name}.tmp")
        with contextlib.suppress(OSError):
            fd = os.open(draft_path, _APPENDING, 0o640)
            draft_path.replace(self._path)
            os.close(self._fd)
            self._fd = fd


class JournalSink:
    """The systemd journal, by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/)."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        """`fields` are put into each entry."""
        self._constant = b"".join(_render_field(name, text) for name, text in fields.items())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, lines: bytes) -> int:
        lost = 0
        for line in lines.split(b"\n")[:-1]:
            at, stream, mark, text = line.split(b" ", 3) if line.count(b" ") > 2 else (b"", b"", b"", line)
            priority = _ERROR if stream == _STDERR else _INFORMATION
            partial = b"CONTAINER_PARTIAL_MESSAGE=true\n" if mark == _PART else b""
            taken = self._send(text, priority, b"SYSLOG_TIMESTAMP=%b\n%b" % (at, partial))
            lost += not (taken or partial)
        return lost

    def tell_dropped(self, count: int) -> None:
        self._send(_word(count), _WARNING, b"HOLD_DROPPED=%d\n" % count)

    def begin_file(self) -> None:
        return

    def _send(self, text: bytes, priority: bytes, more: bytes) -> bool:
        """Wait for a journal that is slow, for one that is being restarted some seconds; tell whether it has it."""
        entry = b"MESSAGE=%b\nPRIORITY=%b\n%b%b" % (text, priority, more, self._constant)
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._socket.sendto(entry, JOURNAL_PATH)
            except OSError:
                if time.monotonic() > until:
                    return False
                time.sleep(_PAUSE_S)
            else:
                return True


def _render_field(name: str, text: str) -> bytes:
    data = text.encode(errors="replace")
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
