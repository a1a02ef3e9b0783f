"""The systemd journal as a log: `check_journal()`, `read_journal(runner, uid, ...)`.

conmon writes one entry for a line, and for each part of a line that is longer than its buffer, marked as such
(conmon, src/ctr_logging.c; the marks are Docker's). They are read back by journalctl(1) in the export format
(https://systemd.io/JOURNAL_EXPORT_FORMATS/), which keeps any byte.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.errors import HoldError, Refused, Unsupported
from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent
from controller.kernel.logs.log_lines import cut_to_last
from controller.kernel.subprocesses import Child, Runner, Stdio, wait_readable
from controller.kernel.watches import Watches
from controller.model.ids import Uid
from controller.ports import LogLine, Stream

SOCKET_PATH = "/run/systemd/journal/socket"
_CHUNK_BYTES = 1 << 18
_ERROR_PRIORITIES = (b"3", b"4")
"""Of what the process said, and of what hold has to say about lines that are missing."""
_SYNC_TIMEOUT_S = 5.0
_EPOCH = datetime.fromtimestamp(0, UTC)
_FIELDS = "MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE"


def find_journal_error() -> str:
    """Return why nothing can be written to the journal, empty when it can."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(SOCKET_PATH)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return f"{SOCKET_PATH} is missing"
            return f"{SOCKET_PATH}: {(error.strerror or str(error)).lower()}"
    return ""


def check_journal() -> None:
    """Unsupported when no journal runs: conmon would say nothing and lose every line."""
    error = find_journal_error()
    if error:
        raise Unsupported(
            f"log driver journald: no journal runs on this host ({error}): start systemd-journald, or log to json-file"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry, and the place of it that journalctl goes on after."""

    line: LogLine
    cursor: str

    def go_on(self) -> tuple[str, ...]:
        """Return journalctl's options for what comes after it."""
        return (f"--after-cursor={self.cursor}",)


class EntryParser:
    """Takes bytes of the export format and gives entries."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> list[Entry]:
        """Return the entries that are whole by now."""
        self._received += data
        entries = []
        position = 0
        while (found := _read_entry(self._received, position)) is not None:
            fields, position = found
            if b"MESSAGE" in fields:
                entries.append(_make_entry(fields))
        del self._received[:position]
        return entries


def _read_entry(data: bytearray, start: int) -> tuple[dict[bytes, bytes], int] | None:
    """Return the fields of an entry and where it ends; None while it is not whole."""
    fields: dict[bytes, bytes] = {}
    position = start
    while (end := data.find(b"\n", position)) >= 0:
        if end == position:
            return fields, end + 1
        name, equals, value = bytes(data[position:end]).partition(b"=")
        position = end + 1
        if not equals:
            if len(data) < position + 8:
                return None
            (length,) = struct.unpack_from("<Q", data, position)
            position += 8
            value = bytes(data[position : position + length])
            position += length + 1
            if len(data) < position:
                return None
        fields[name] = value
    return None


def _make_entry(fields: dict[bytes, bytes]) -> Entry:
    text = fields[b"MESSAGE"].removesuffix(b"\n")
    whole = b"CONTAINER_PARTIAL_MESSAGE" not in fields
    line = LogLine(
        at=_EPOCH + timedelta(microseconds=int(fields.get(b"__REALTIME_TIMESTAMP", b"0"))),
        stream=Stream.STDERR if fields.get(b"PRIORITY") in _ERROR_PRIORITIES else Stream.STDOUT,
        data=text + b"\n" if whole else text,
    )
    return Entry(line=line, cursor=fields.get(b"__CURSOR", b"").decode())


class JournalReader:
    """Reads the entries of one container, whose own directory is at `directory_path`."""

    def __init__(self, runner: Runner, uid: Uid, directory_path: Path, watches: Watches) -> None:
        self._runner = runner
        self._watches = watches
        self._directory_path = directory_path
        # The journal itself says who wrote: nobody but root can make entries that look like ours.
        self._matches = (f"CONTAINER_ID_FULL={uid}", "_UID=0")

    async def read(
        self, *, follow: asyncio.Event | None, since: datetime | None, tail: int | None
    ) -> AsyncGenerator[LogLine, None]:
        """Yield what is there, the last `tail` lines of it, none before `since`; with `follow` go on until it is set.

        Following ends too when the container's directory is removed. Refused with journalctl's words when it fails.
        """
        await self._synchronise()
        place = (f"--since=@{int(since.timestamp())}",) if since is not None else ()
        async with contextlib.aclosing(self._read_lines(place, follow, tail)) as lines:
            async for line in lines:
                if since is None or line.at >= since:
                    yield line

    async def _read_lines(
        self, place: tuple[str, ...], follow: asyncio.Event | None, tail: int | None
    ) -> AsyncGenerator[LogLine, None]:
        if tail is not None:
            newest = await self._read_last(tail, place)
            for line in cut_to_last((entry.line for entry in reversed(newest)), tail):
                yield line
            if follow is None:
                return
            place = newest[0].go_on() if newest else place
        if follow is not None:
            async with contextlib.aclosing(self._follow(place, follow)) as entries:
                async for entry in entries:
                    place = entry.go_on()
                    yield entry.line
            await self._synchronise()
        async with contextlib.aclosing(self._run(*place)) as entries:
            async for entry in entries:
                yield entry.line

    async def _synchronise(self) -> None:
        """Have what was written before be readable, where a journal runs that can be asked."""
        with contextlib.suppress(HoldError):
            await self._runner.capture("journalctl", "--sync", timeout_s=_SYNC_TIMEOUT_S)

    async def _read_last(self, lines: int, place: tuple[str, ...]) -> list[Entry]:
        """Return the newest entries, newest first: as many as have `lines` lines, and at least one."""
        entries: list[Entry] = []
        ends = 0
        async with contextlib.aclosing(self._run("--reverse", *place)) as found:
            async for entry in found:
                ends += bool(entries) and entry.line.data.endswith(b"\n")
                entries.append(entry)
                if ends >= max(lines, 1):
                    break
        return entries

    async def _follow(self, place: tuple[str, ...], ended: asyncio.Event) -> AsyncGenerator[Entry, None]:
        """Yield entries from a place on, until `ended` is set or the directory is removed."""
        gone = asyncio.Event()
        path = str(self._directory_path)
        watch = self._watches.add(path, syscalls.IN_DELETE_SELF, lambda event: _note_end(event, gone))
        if watch is None:
            return
        try:
            options = ("--follow", "--no-tail", *place)
            async with contextlib.aclosing(self._run(*options, stops=(ended, gone))) as entries:
                async for entry in entries:
                    yield entry
        finally:
            self._watches.remove(watch)

    async def _run(self, *options: str, stops: tuple[asyncio.Event, ...] = ()) -> AsyncGenerator[Entry, None]:
        """Yield the entries that journalctl finds, until it ends or one of `stops` is set."""
        complaint_fd = os.memfd_create("stderr")
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        child: Child | None = None
        try:
            try:
                child = self._runner.spawn(
                    "journalctl", "--output=export", f"--output-fields={_FIELDS}", "--all", *options,
                    *self._matches, stdio=Stdio(stdout=write_fd, stderr=complaint_fd),
                )  # fmt: skip
            finally:
                os.close(write_fd)
            parser = EntryParser()
            async with contextlib.aclosing(_read_chunks(read_fd, stops)) as chunks:
                async for data in chunks:
                    for entry in parser.feed(data):
                        yield entry
            if any(event.is_set() for event in stops):
                return
            running, child = child, None
            code = await running.wait()
            if code > 0:
                words = os.pread(complaint_fd, 4096, 0).decode(errors="replace").strip().splitlines()
                raise Refused(f"journalctl: {words[-1] if words else f'exit code {code}'}")
        finally:
            if child is not None:
                child.kill()
                await child.wait()
            os.close(read_fd)
            os.close(complaint_fd)


def _note_end(event: FileEvent, gone: asyncio.Event) -> None:
    """Take in an event of a directory; others may have asked for more than its end."""
    if event.mask & (syscalls.IN_DELETE_SELF | syscalls.IN_IGNORED):
        gone.set()


async def _read_chunks(fd: int, stops: tuple[asyncio.Event, ...]) -> AsyncGenerator[bytes, None]:
    """Yield what comes until the end, or until one of `stops` is set and nothing more is there."""
    while True:
        try:
            data = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            if any(event.is_set() for event in stops):
                return
            await _wait(fd, stops)
            continue
        if not data:
            return
        yield data


async def _wait(fd: int, stops: tuple[asyncio.Event, ...]) -> None:
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()) for event in stops]
        readable = group.create_task(wait_readable(fd))
        await asyncio.wait((readable, *waits), return_when=asyncio.FIRST_COMPLETED)
        for each in (readable, *waits):
            each.cancel()
