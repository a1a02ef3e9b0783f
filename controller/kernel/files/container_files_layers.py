"""What a container's writable layer says of the layers below: changes, and the layer as images have it.

Overlayfs marks what is gone by devices with number 0, and directories that hide those below by an attribute (kernel,
filesystems/overlayfs). Image layers mark both by names (OCI image specification, layer, "Whiteouts").
"""

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from controller.trees.writer import TreeWriter, check_depth, make_header

_OPAQUE = "trusted.overlay.opaque"
_WHITEOUT_PREFIX = ".wh."
_OPAQUE_MARK = ".wh..wh..opq"
_NO_XATTR = {errno.ENODATA, errno.ENOTSUP}
_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_whiteout(status: os.stat_result) -> bool:
    """Tell whether an entry of an upper directory says that what is below is gone."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(directory_fd: int) -> bool:
    """Tell whether a directory hides what is below it."""
    try:
        return os.getxattr(directory_fd, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in _NO_XATTR:
            return False
        raise


class Change(NamedTuple):
    """One line of a list of changes: A added, C changed, D deleted; the path is absolute."""

    kind: str
    path: str


class Owners(NamedTuple):
    """Which users of the host the container's users from 0 on are, as its upper directory has them (see `Mapping`)."""

    base: int = 0
    size: int = 0

    def find_own(self, number: int) -> int:
        """Return the number that a user has in the container, and in layers."""
        return number - self.base if self.base <= number < self.base + self.size else number


class Comparison:
    """Compares an upper directory with the merged layers below it; both are open directories.

    `mount_points` are paths that a runtime makes so as to mount something there: they are no changes of the container.
    """

    def __init__(
        self, upper_fd: int, lower_fd: int | None, mount_points: frozenset[str], owners: Owners
    ) -> None:
        self._owners = owners
        self._upper_fd = upper_fd
        self._lower_fd = lower_fd
        self._mount_points = mount_points

    def list_changes(self) -> list[Change]:
        """Return all changes, each directory before what is in it."""
        return list(self._compare(self._upper_fd, self._lower_fd, ""))

    def _compare(self, upper_fd: int, lower_fd: int | None, path: str) -> Iterator[Change]:
        check_depth(path)
        names = sorted(os.listdir(upper_fd))
        gone = _list_names(lower_fd) - set(names) if lower_fd is not None and is_opaque(upper_fd) else set()
        for name in sorted({*names, *gone}):
            if name in gone:
                yield Change("D", f"{path}/{name}")
            else:
                yield from self._compare_one(upper_fd, lower_fd, f"{path}/{name}")

    def _compare_one(self, upper_fd: int, lower_fd: int | None, path: str) -> Iterator[Change]:
        name = path.rpartition("/")[2]
        status = os.stat(name, dir_fd=upper_fd, follow_symlinks=False)
        below = _look_below(lower_fd, name)
        if is_whiteout(status):
            if below is not None:
                yield Change("D", path)
            return
        if not stat.S_ISDIR(status.st_mode):
            if not (below is None and self._is_mount_point(path, status)):
                yield Change("A" if below is None else "C", path)
            return
        yield from self._compare_directory(upper_fd, lower_fd, path, (status, below))

    def _compare_directory(
        self,
        upper_fd: int,
        lower_fd: int | None,
        path: str,
        statuses: tuple[os.stat_result, os.stat_result | None],
    ) -> Iterator[Change]:
        name, (status, below) = path.rpartition("/")[2], statuses
        with contextlib.ExitStack() as opened:
            inner_fd = os.open(name, _OPENED, dir_fd=upper_fd)
            opened.callback(os.close, inner_fd)
            inner_lower_fd = None
            if lower_fd is not None and below is not None and stat.S_ISDIR(below.st_mode):
                inner_lower_fd = os.open(name, _OPENED, dir_fd=lower_fd)
                opened.callback(os.close, inner_lower_fd)
            changes = list(self._compare(inner_fd, inner_lower_fd, path))
            made = below is None and path in self._mount_points and not changes
            alike = below is not None and self._are_alike(status, below)
            if changes or not (made or alike):
                yield Change("A" if below is None else "C", path)
            yield from changes

    def _is_mount_point(self, path: str, status: os.stat_result) -> bool:
        return path in self._mount_points and stat.S_ISREG(status.st_mode) and status.st_size == 0

    def _are_alike(self, status: os.stat_result, below: os.stat_result) -> bool:
        """Tell whether a directory is in the upper one only for the sake of something in it."""
        owner = (self._owners.find_own(status.st_uid), self._owners.find_own(status.st_gid))
        return (status.st_mode, *owner) == (below.st_mode, below.st_uid, below.st_gid)


def _list_names(directory_fd: int) -> set[str]:
    return set(os.listdir(directory_fd))


def _look_below(lower_fd: int | None, name: str) -> os.stat_result | None:
    if lower_fd is None:
        return None
    try:
        return os.stat(name, dir_fd=lower_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


class LayerWriter(TreeWriter):
    """Writes an upper directory as an image's layer; `left_out` are paths that are no part of it."""

    left_out: frozenset[str] = frozenset()
    owners: Owners = Owners()

    def add_header(self, header: tarfile.TarInfo) -> None:
        """Write the header of an entry, its owner as the container has it."""
        header.uid, header.gid = self.owners.find_own(header.uid), self.owners.find_own(header.gid)
        super().add_header(header)

    def add_opened(self, fd: int, entry: str) -> None:
        """Write what an O_PATH descriptor stands for; a whiteout by its name."""
        status = os.fstat(fd)
        if f"/{entry}" in self.left_out:
            return
        if not is_whiteout(status):
            super().add_opened(fd, entry)
            return
        parent, slash, name = entry.rpartition("/")
        self.add_header(_make_mark(f"{parent}{slash}{_WHITEOUT_PREFIX}{name}", status))

    def add_marks(self, directory_fd: int, entry: str) -> None:
        """Say that a directory hides what is below it."""
        if is_opaque(directory_fd):
            self.add_header(_make_mark(f"{entry}/{_OPAQUE_MARK}", os.fstat(directory_fd)))


def _make_mark(entry: str, status: os.stat_result) -> tarfile.TarInfo:
    header = make_header(entry, status)
    header.type, header.size, header.mode = tarfile.REGTYPE, 0, 0o600
    header.devmajor = header.devminor = 0
    return header
