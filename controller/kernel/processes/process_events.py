"""Wake-ups about processes, limits and roots: `ProcessEvents(layout=..., cgroups=Cgroups.find(instance))`.

The half of `controller.ports.KernelEvents` that is not about the network; `watch` may run once at a time.
"""

import asyncio
import os
import select
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.limit_files import list_limit_files
from controller.kernel.inotify import FileEvent, Inotify
from controller.kernel.mountinfo import MOUNTINFO_PATH
from controller.kernel.processes import ending
from controller.kernel.processes.bundles import Bundle
from controller.kernel.roots.mounted_roots import MountedRoots
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.ports import Hint, HintType

_MOUNTS_SETTLE_S = 0.02
_MOUNTS_REST = 20
"""So many times as long as a look at the mounts takes, which grows with their number, nothing is looked at."""


@dataclass(slots=True)
class _Watched:
    """What is watched of one container."""

    pidfd: int | None = None
    monitor_fd: int | None = None
    watches: list[int] = field(default_factory=list)


class ProcessEvents:
    """Hints from pidfds, conmon's exit files, cgroup files, and the mount table."""

    def __init__(self, *, layout: Layout, cgroups: Cgroups) -> None:
        self._layout = layout
        self._cgroups = cgroups
        self._hints: asyncio.Queue[Hint] = asyncio.Queue()
        self._expected: set[Uid] = set()
        self._watched: dict[Uid, _Watched] = {}
        self._by_watch: dict[int, Hint] = {}
        self._inotify: Inotify | None = None
        self._exits_watch: int | None = None
        self._roots = MountedRoots(layout=layout)
        self._mount_check: asyncio.TimerHandle | None = None
        self._mount_check_took_s = 0.0

    async def watch(self) -> AsyncIterator[Hint]:
        """Yield hints for ever; what was expected before is watched from the first step on."""
        await asyncio.to_thread(os.makedirs, self._layout.exits_path, 0o711, exist_ok=True)
        inotify = Inotify(self._on_file)
        self._inotify = inotify
        self._exits_watch = inotify.watch(self._layout.exits_path, syscalls.IN_MOVED_TO | syscalls.IN_CREATE)
        mount_table = _MountTable()
        loop = asyncio.get_running_loop()
        loop.add_reader(mount_table.fileno(), self._on_mount_table, mount_table)
        self._roots.find_lost()
        for uid in self._expected:
            self._add(uid)
        try:
            while True:
                yield await self._hints.get()
        finally:
            loop.remove_reader(mount_table.fileno())
            mount_table.close()
            if self._mount_check is not None:
                self._mount_check.cancel()
            for uid in list(self._watched):
                self._drop(uid)
            inotify.close()
            self._inotify = None

    def expect(self, uid: Uid) -> None:
        """Watch a container's process and limits from now on; again after each creation."""
        self._expected.add(uid)
        self._roots.expect(uid)
        if self._inotify is not None:
            self._drop(uid)
            self._add(uid)

    def disregard(self, uid: Uid) -> None:
        """Stop watching a container."""
        self._expected.discard(uid)
        self._roots.disregard(uid)
        self._drop(uid)

    def _add(self, uid: Uid) -> None:
        watched = self._watched[uid] = _Watched()
        pid = Bundle(self._layout, uid).read_pid()
        watched.pidfd = ending.open_pidfd(pid, lambda pid: self._cgroups.owns(uid, pid))
        if watched.pidfd is not None:
            asyncio.get_running_loop().add_reader(watched.pidfd, self._on_end, uid, watched)
            self._watch_monitor(uid, watched)
        for path in list_limit_files(self._cgroups, uid):
            self._watch_file(uid, path, HintType.LIMITS)
        memory = self._cgroups.directory(uid, "memory")
        if self._cgroups.unified_path is not None and memory is not None:
            self._watch_file(uid, memory / "memory.events", HintType.PROCESS)

    def _watch_file(self, uid: Uid, path: Path, kind: HintType) -> None:
        if self._inotify is None:
            return
        watch = self._inotify.watch(str(path), syscalls.IN_MODIFY)
        if watch is not None:
            self._by_watch[watch] = Hint(type=kind, subject=uid)
            self._watched[uid].watches.append(watch)

    def _drop(self, uid: Uid) -> None:
        watched = self._watched.pop(uid, None)
        if watched is None:
            return
        self._close_pidfd(watched)
        self._close_monitor(watched)
        for watch in watched.watches:
            if self._by_watch.pop(watch, None) is not None and self._inotify is not None:
                self._inotify.unwatch(watch)

    def _close_pidfd(self, watched: _Watched) -> None:
        if watched.pidfd is not None:
            asyncio.get_running_loop().remove_reader(watched.pidfd)
            os.close(watched.pidfd)
            watched.pidfd = None

    def _on_end(self, uid: Uid, watched: _Watched) -> None:
        self._close_pidfd(watched)
        self._hints.put_nowait(Hint(type=HintType.PROCESS, subject=uid))

    def _watch_monitor(self, uid: Uid, watched: _Watched) -> None:
        bundle = Bundle(self._layout, uid)
        watched.monitor_fd = ending.open_pidfd(
            bundle.read_conmon_pid(), lambda pid: bundle.read_conmon_pid() == pid
        )
        if watched.monitor_fd is not None:
            asyncio.get_running_loop().add_reader(watched.monitor_fd, self._on_monitor_end, uid, watched)

    def _on_monitor_end(self, uid: Uid, watched: _Watched) -> None:
        """Tell of a monitor that went before its process; otherwise the end of the process is what counts."""
        self._close_monitor(watched)
        if watched.pidfd is not None:
            self._hints.put_nowait(Hint(type=HintType.PROCESS, subject=uid))

    def _close_monitor(self, watched: _Watched) -> None:
        if watched.monitor_fd is not None:
            asyncio.get_running_loop().remove_reader(watched.monitor_fd)
            os.close(watched.monitor_fd)
            watched.monitor_fd = None

    def _on_file(self, event: FileEvent) -> None:
        if event.watch == self._exits_watch:
            if len(event.name) == 32:  # conmon writes beside and renames
                self._hints.put_nowait(Hint(type=HintType.PROCESS, subject=event.name))
            return
        if event.mask & syscalls.IN_IGNORED:
            self._by_watch.pop(event.watch, None)
            return
        hint = self._by_watch.get(event.watch)
        if hint is not None:
            self._hints.put_nowait(hint)

    def _on_mount_table(self, table: "_MountTable") -> None:
        """Look a moment later: a start changes the table several times, and it is long where many run."""
        table.acknowledge()
        if self._mount_check is None:
            wait_s = max(_MOUNTS_SETTLE_S, _MOUNTS_REST * self._mount_check_took_s)
            self._mount_check = asyncio.get_running_loop().call_later(wait_s, self._check_mounts)

    def _check_mounts(self) -> None:
        self._mount_check = None
        began_s = time.monotonic()
        lost = self._roots.find_lost()
        self._mount_check_took_s = time.monotonic() - began_s
        for uid in lost:
            self._hints.put_nowait(Hint(type=HintType.ROOT, subject=uid))


class _MountTable:
    """Readable when the mount table changes: mountinfo tells by POLLPRI, which the event loop can't wait for itself."""

    def __init__(self) -> None:
        self._file = Path(MOUNTINFO_PATH).open("rb")  # noqa: SIM115 - closed by close()
        self._epoll = select.epoll()
        self._epoll.register(self._file.fileno(), select.EPOLLPRI)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def acknowledge(self) -> None:
        """Make it unreadable until the next change."""
        self._epoll.poll(timeout=0)

    def close(self) -> None:
        self._epoll.close()
        self._file.close()
