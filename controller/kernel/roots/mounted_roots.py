"""Which containers' roots have gone from the mount table: `MountedRoots(layout=)`.

The table takes as long to read as there are mounts, and it changes with each start. Newer kernels give mounts numbers
that are never used again, and list these a thousand times faster.
"""

from controller.kernel import syscalls
from controller.kernel.mountinfo import read_mounts
from controller.model.ids import Uid
from controller.model.layout import Layout


class MountedRoots:
    """The roots that are expected to stay mounted; blocking, for one thread."""

    def __init__(self, *, layout: Layout) -> None:
        self._layout = layout
        self._numbers: dict[Uid, int] = {}
        self._missing: set[Uid] = set()
        """What is expected and was not mounted when last looked at."""
        self._listed: frozenset[str] = frozenset()

    def expect(self, uid: Uid) -> None:
        """Tell from now on when the root has gone that is mounted there now, or at the next look."""
        number = self._read_number(self._layout.merged_path(uid))
        if number is None or number == self._read_number(self._layout.roots_path):
            self._numbers.pop(uid, None)
            self._missing.add(uid)
        else:
            self._missing.discard(uid)
            self._numbers[uid] = number

    def disregard(self, uid: Uid) -> None:
        """Tell no more of a root."""
        self._numbers.pop(uid, None)
        self._missing.discard(uid)

    def find_lost(self) -> frozenset[Uid]:
        """Return the roots that have gone since the last look, or since they were expected."""
        present = syscalls.list_mount_ids()
        if present is None:
            return self._compare_tables()
        lost = frozenset(uid for uid, number in self._numbers.items() if number not in present)
        for uid in (*lost, *self._missing):
            self.expect(uid)
        return lost

    def _compare_tables(self) -> frozenset[Uid]:
        prefix = f"{self._layout.roots_path}/"
        listed = frozenset(entry.target.removeprefix(prefix) for entry in read_mounts(prefix))
        lost, self._listed = self._listed - listed, listed
        return frozenset(map(Uid, lost))

    def _read_number(self, path: str) -> int | None:
        try:
            return syscalls.read_unique_mount_id(path)
        except FileNotFoundError:
            return None
