"""One inotify(7) for many who watch: `Watches()`; it is opened with the first watch, which needs a running loop.

To close a descriptor that has watched anything takes the kernel 8 to 15 ms, in which the caller is held (it waits until
nobody can be in the middle of an event); to end a watch takes none.
"""

from collections.abc import Callable
from dataclasses import dataclass

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent, Inotify

Notify = Callable[[FileEvent], None]


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Somebody's watch; several may share what the kernel has for one file."""

    number: int
    notify: Notify


class Watches:
    """Calls who watches for every event of the file, be it asked for by them or by another who watches it."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._watches: dict[int, list[Watch]] = {}

    def add(self, path: str, mask: int, notify: Notify) -> Watch | None:
        """Watch a path; None when it is missing."""
        if self._inotify is None:
            self._inotify = Inotify(self._on_event)
        number = self._inotify.watch(path, mask | syscalls.IN_MASK_ADD)
        if number is None:
            return None
        watch = Watch(number, notify)
        self._watches.setdefault(number, []).append(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """End a watch; nothing for one that the kernel has dropped."""
        sharing = self._watches.get(watch.number, [])
        if watch not in sharing:
            return
        sharing.remove(watch)
        if not sharing and self._inotify is not None:
            del self._watches[watch.number]
            self._inotify.unwatch(watch.number)

    def close(self) -> None:
        """End all watches."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self._watches.clear()

    def _on_event(self, event: FileEvent) -> None:
        sharing = list(self._watches.get(event.watch, []))
        if event.mask & syscalls.IN_IGNORED:
            self._watches.pop(event.watch, None)
        for watch in sharing:
            watch.notify(event)
