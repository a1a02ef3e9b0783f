"""Keeps logs within limits without losing a line: `async with LogRotator(layout=..., defaults=...) as rotator`.

conmon starts a log afresh by itself, but forgets what it held. So at the size asked for, the present file gets a further
name, a number, and conmon is asked to go on in a new file: it writes that beside and puts it in the place of the old one
(conmon, src/ctr_logging.c). conmon's own limit stays as the last resort while no daemon runs.

A log costs nothing while nobody writes: one event of inotify(7), then looks at its size as often as its growth asks for.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent, Inotify
from controller.kernel.logs.log_files import (
    compress,
    find_compressible,
    list_numbers,
    number_path,
    read_inode,
    remove_numbers,
)
from controller.kernel.processes.bundles import Bundle, list_bundles
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.plan.logs import LogDefaults

_REOPEN = b"2 0 0\n"
"""Control message: open the log anew (conmon, src/ctrl.c)."""
_SOONEST_S, _LATEST_S = 0.005, 0.25
_REFUSED_S = 1.0
"""How long to wait where nothing can be put aside, as on a full disk."""
_ASK_AGAIN_S = 10.0
"""How long conmon may take. Asked twice in a row it would replace the new file by a newer one, whatever it holds."""


@dataclass(slots=True, kw_only=True)
class _Log:
    """A log that is looked after."""

    uid: Uid
    path: Path
    control_path: Path
    max_bytes: int
    max_files: int
    compress: bool
    is_compressing: bool = False
    size_bytes: int = 0
    looked_at_s: float = 0.0
    delay_s: float = _SOONEST_S
    rate: float = 0.0
    """Bytes a second: what was measured last, or half of that before, as a flood may pause."""
    watch: int | None = None
    timer: asyncio.TimerHandle | None = None


class LogRotator:
    """Rotates the logs of all containers that have a process; use it around everything that makes processes.

    `defaults` are for what containers do not ask for.
    """

    def __init__(self, *, layout: Layout, defaults: LogDefaults) -> None:
        self.defaults = defaults
        self._layout = layout
        self._logs: dict[Uid, _Log] = {}
        self._by_watch: dict[int, _Log] = {}
        self._group = asyncio.TaskGroup()
        self._inotify: Inotify | None = None
        self._one_at_a_time = asyncio.Semaphore()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._inotify = Inotify(self._on_event)
        for log in await asyncio.to_thread(_find_logs, self._layout):
            self._begin(log)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for uid in list(self._logs):
            self.disregard(uid)
        if self._inotify is not None:
            self._inotify.close()
        await self._group.__aexit__(kind, error, trace)

    def expect(self, uid: Uid) -> None:
        """Look after the log of a process that was made; with a single file conmon does so alone."""
        self.disregard(uid)
        log = _find_log(Bundle(self._layout, uid))
        if log is not None:
            self._begin(log)

    def disregard(self, uid: Uid) -> None:
        """Leave a log alone."""
        log = self._logs.pop(uid, None)
        if log is None:
            return
        if log.timer is not None:
            log.timer.cancel()
        self._unwatch(log)

    def _begin(self, log: _Log) -> None:
        self._logs[log.uid] = log
        self._look(log)
        self._compress(log)

    def _on_event(self, event: FileEvent) -> None:
        log = self._by_watch.pop(event.watch, None)
        if log is not None:
            log.watch = None
            self._look_soon(log)

    def _look_soon(self, log: _Log) -> None:
        log.looked_at_s = asyncio.get_running_loop().time()
        log.delay_s = _SOONEST_S
        log.timer = asyncio.get_running_loop().call_later(_SOONEST_S, self._look, log)

    def _unwatch(self, log: _Log) -> None:
        if log.watch is not None and self._by_watch.pop(log.watch, None) is not None and self._inotify:
            self._inotify.unwatch(log.watch)
        log.watch = None

    def _look(self, log: _Log) -> None:
        """Rotate, or look again when the log can be full at the earliest, or wait for somebody to write."""
        log.timer = None
        now_s = asyncio.get_running_loop().time()
        size_bytes = _read_size(log.path)
        if size_bytes >= log.max_bytes:
            self._group.create_task(self._rotate(log))
            return
        grown_bytes, log.size_bytes = size_bytes - log.size_bytes, size_bytes
        passed_s, log.looked_at_s = now_s - log.looked_at_s, now_s
        log.rate = max(grown_bytes / max(passed_s, _SOONEST_S), log.rate / 2)
        if grown_bytes == 0:
            self._watch(log)
            return
        full_in_s = (log.max_bytes - size_bytes) / log.rate
        log.delay_s = min(max(full_in_s / 2, _SOONEST_S), 2 * log.delay_s, _LATEST_S)
        log.timer = asyncio.get_running_loop().call_later(log.delay_s, self._look, log)

    def _watch(self, log: _Log) -> None:
        if self._inotify is None:
            return
        log.watch = self._inotify.watch(str(log.path), syscalls.IN_MODIFY | syscalls.IN_ONESHOT)
        if log.watch is None:
            return
        self._by_watch[log.watch] = log
        if _read_size(log.path) != log.size_bytes:
            self._unwatch(log)
            self._look_soon(log)

    async def _rotate(self, log: _Log) -> None:
        """Rotate, and wait until conmon has gone on."""
        inode = read_inode(log.path)
        asked = await asyncio.to_thread(_rotate, log)
        clock = asyncio.get_running_loop().time
        until_s = clock() + _ASK_AGAIN_S
        while self._logs.get(log.uid) is log and clock() < until_s:
            if asked and read_inode(log.path) != inode:
                break
            await asyncio.sleep(_SOONEST_S if asked else _REFUSED_S)
        if self._logs.get(log.uid) is log:
            log.size_bytes = _read_size(log.path)
            self._look_soon(log)
            self._compress(log)

    def _compress(self, log: _Log) -> None:
        """Compress what is put aside, if that is asked for and not being done."""
        if log.compress and not log.is_compressing:
            log.is_compressing = True
            self._group.create_task(self._compress_all(log))

    async def _compress_all(self, log: _Log) -> None:
        try:
            async with self._one_at_a_time:
                while self._logs.get(log.uid) is log:
                    number = await asyncio.to_thread(find_compressible, log.path)
                    if number is None:
                        return
                    await asyncio.to_thread(compress, log.path, number)
        except OSError:
            return  # the disk is full: tried again with the next file
        finally:
            log.is_compressing = False


def _find_logs(layout: Layout) -> list[_Log]:
    found = (_find_log(Bundle(layout, uid)) for uid in list_bundles(layout))
    return [log for log in found if log is not None]


def _find_log(bundle: Bundle) -> _Log | None:
    origin = bundle.read_origin()
    if origin is None or origin.log_max_files < 2:
        return None
    return _Log(
        uid=bundle.uid,
        path=bundle.log_path,
        control_path=bundle.relay_control_path if origin.log_relayed else bundle.control_path,
        max_bytes=origin.log_max_bytes,
        max_files=origin.log_max_files,
        compress=origin.log_compress,
    )


def _read_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _rotate(log: _Log) -> bool:
    """Put the present file aside and ask conmon to open another one; False when that can't be now.

    After a crash in between, the file has its number already.
    """
    numbers = list_numbers(log.path)
    last = numbers[-1] if numbers else 0
    try:
        if not last or read_inode(number_path(log.path, last)) != read_inode(log.path):
            remove_numbers(log.path, keep=log.max_files - 2)
            os.link(log.path, number_path(log.path, last + 1))
        # conmon ends when it can't make a file: on a full disk it has to be there already.
        draft_path = log.path.with_name(f"{log.path.name}.tmp")
        os.close(os.open(draft_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        control_fd = os.open(log.control_path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # the disk is full, or nobody writes any more
    try:
        os.write(control_fd, _REOPEN)
    finally:
        os.close(control_fd)
    return True
