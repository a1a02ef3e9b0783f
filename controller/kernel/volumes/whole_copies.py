"""Content that comes whole or not at all: a copy that was broken off anywhere is never taken for a whole one.

A copy grows in a directory of its own on the same file system (`copy-...`). Once it is whole and on disk it gets another
name: `filled` when it goes to where nothing is, `restored` when what is there has to go first; then its entries are
moved over one by one. So the data directory stays the very one that containers have mounted, and whoever finds one of
these names goes on from there.
"""

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import Conflict, Refused
from controller.kernel import syscalls
from controller.kernel.mountinfo import read_mounts
from controller.kernel.tree_removal import remove_tree

_INSIDE_PREFIX = ".hold-"
_LOST = "lost+found"
"""What mkfs(8) leaves in a file system, and nobody calls content."""
_MOST_NAMED = 3

Make = Callable[[Path], Awaitable[bool]]
"""Fills an empty directory; tells whether there was anything to fill it with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A volume's data directory, and where copies for it grow: beside it, or inside it when it is a mount."""

    data_path: Path
    directory_path: Path
    prefix: str

    @classmethod
    def beside(cls, data_path: Path) -> "Workplace":
        """Return the place for a plain directory."""
        return cls(data_path=data_path, directory_path=data_path.parent, prefix="_")

    @classmethod
    def inside(cls, data_path: Path) -> "Workplace":
        """Return the place for a directory that something is mounted at."""
        return cls(data_path=data_path, directory_path=data_path, prefix=_INSIDE_PREFIX)

    @property
    def filled_path(self) -> Path:
        return self.directory_path / f"{self.prefix}filled"

    @property
    def restored_path(self) -> Path:
        return self.directory_path / f"{self.prefix}restored"

    def list_content(self) -> list[Path]:
        """Return what is in the volume; where copies grow inside it, and of a whole file system, not what belongs to those."""
        found = self.data_path.iterdir()
        if self.directory_path != self.data_path:
            return list(found)
        return [path for path in found if path.name != _LOST and not path.name.startswith(_INSIDE_PREFIX)]

    def check_empty(self) -> None:
        """Raise Conflict when there is anything in the volume."""
        names = sorted(path.name for path in self.list_content())
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            shown = ", ".join(names[:_MOST_NAMED])
            raise Conflict(f"the volume is not empty, it has {shown}{more}: replace all of it by --force")

    def settle(self) -> None:
        """Remove copies that were broken off, and bring one that is whole to its end."""
        for path in self.directory_path.glob(f"{self.prefix}copy-*"):
            _discard(path)
        if not self.data_path.is_dir():
            return
        if _is_real_directory(self.restored_path):
            check_unmounted(self.data_path)
            for path in self.list_content():
                _remove(path)
            self.restored_path.rename(self.filled_path)
        if _is_real_directory(self.filled_path):
            self._move_over()

    def _move_over(self) -> None:
        """Move all entries that are not there yet, then what the directory itself looks like; can be begun again."""
        model = self.filled_path.stat()
        for entry in self.filled_path.iterdir():
            target_path = self.data_path / entry.name
            if not os.path.lexists(target_path):
                entry.rename(target_path)
        _look_like(self.filled_path, self.data_path)
        os.utime(self.data_path, ns=(model.st_atime_ns, model.st_mtime_ns))
        remove_tree(self.filled_path)


async def fill(place: Workplace, make: Make) -> None:
    """Fill a volume that is empty; one that has anything, or can't be written to, stays as it is."""
    await asyncio.to_thread(place.settle)
    if await asyncio.to_thread(place.list_content):
        return
    try:
        await _grow(place, make, place.filled_path)
    except OSError as exc:
        if exc.errno != errno.EROFS:
            raise
    await asyncio.to_thread(place.settle)


async def replace(place: Workplace, make: Make, *, force: bool) -> None:
    """Put new content in place of all that there is. Conflict when there is anything and `force` was not given."""
    await asyncio.to_thread(check_unmounted, place.data_path)
    await asyncio.to_thread(place.settle)
    if not force:
        await asyncio.to_thread(place.check_empty)
    await _grow(place, make, place.restored_path)
    await asyncio.to_thread(place.settle)


async def create(place: Workplace, make: Make) -> None:
    """Make a volume's directory with content; nothing when it is there."""
    if not await asyncio.to_thread(place.data_path.is_dir):
        await asyncio.to_thread(place.data_path.parent.mkdir, parents=True, exist_ok=True)
        await _grow(place, make, place.data_path)


async def _grow(place: Workplace, make: Make, whole_path: Path) -> None:
    """Make a copy whole and durable before it gets the name that it counts by."""
    prefix = f"{place.prefix}copy-"
    growing_path = await asyncio.to_thread(_make_growing, place.directory_path, prefix)
    try:
        if await asyncio.to_thread(place.data_path.is_dir):
            await asyncio.to_thread(_look_like, place.data_path, growing_path)
        if await make(growing_path):
            await asyncio.to_thread(_finish, growing_path, whole_path)
    finally:
        await asyncio.to_thread(_discard, growing_path)


def _make_growing(directory_path: Path, prefix: str) -> Path:
    """Make a directory for a copy; errors name the one that it is in, so that they are the same each time."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=directory_path))
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(directory_path)) from exc


def check_unmounted(data_path: Path) -> None:
    """Raise Refused when somebody has mounted anything inside a volume: emptying the one would empty the other."""
    for entry in read_mounts(f"{os.path.realpath(data_path)}/"):
        raise Refused(
            f"{entry.source} is mounted inside the volume, at {entry.target}, and is not to be lost: unmount it first"
        )


def _finish(growing_path: Path, whole_path: Path) -> None:
    directory_fd = os.open(growing_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.syncfs(directory_fd)
    finally:
        os.close(directory_fd)
    growing_path.rename(whole_path)


def _look_like(model_path: Path, path: Path) -> None:
    """Give a directory the owner, mode, times and attributes of another one."""
    status = model_path.stat()
    try:
        os.chown(path, status.st_uid, status.st_gid)
        shutil.copystat(model_path, path)
    except PermissionError as exc:
        raise Refused(
            "owners can't be kept in this volume (root_squash of an nfs server?): mount it with nocopy"
        ) from exc


def _is_real_directory(path: Path) -> bool:
    """Tell whether there is a directory; a link to one was put there by somebody else."""
    return path.is_dir() and not path.is_symlink()


def _discard(path: Path) -> None:
    """Remove a copy that nobody waits for; what can't be removed now is seen to at the next start."""
    with contextlib.suppress(OSError):
        remove_tree(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
