"""From a tar stream to a tree: every entry is made by descriptor in its directory, and nothing there is followed."""

import bz2
import contextlib
import errno
import lzma
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from controller.errors import Exhausted, HoldError, Invalid, Refused
from controller.trees.landing import rename
from controller.trees.writer import check_depth

PACKINGS = (zlib, bz2, lzma)
"""What tarfile loads when it meets such an archive; by then there may be other modules under these names."""
_CHUNK_BYTES = 1 << 18
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_XATTRS = {errno.ENOTSUP, errno.EPERM}
_XATTR_KEY = "SCHILY.xattr."
_KEPT_XATTRS = ("security.capability", "user.")


class Ground(NamedTuple):
    """Where entries become files: below an open directory.

    `open_parent` opens the directory at a path below it, O_PATH: what it follows on the way is its own affair.
    `descriptors_fd` is what `open_descriptors` gives.
    """

    directory_fd: int
    open_parent: Callable[[str], int]
    descriptors_fd: int


class Rules(NamedTuple):
    """How entries become files.

    `name` replaces the first part of each entry's name (see `Landing`). `owner` is who gets the files: a user and a
    group, or None for those that the archive names; False leaves them to whoever makes them.
    """

    name: str | None
    owner: tuple[int, int] | bool | None


class Planter:
    """Makes the entries of archives on a ground, by rules."""

    def __init__(self, ground: Ground, rules: Rules) -> None:
        self._ground = ground
        self._rules = rules
        self._directories: list[tuple[str, tarfile.TarInfo]] = []
        self._parent = ("", os.dup(ground.directory_fd))

    def close(self) -> None:
        """Let go of what is kept open."""
        os.close(self._parent[1])

    def plant(self, stream: IO[bytes]) -> int:
        """Make every entry of a tar stream and return their number. Invalid, Refused, Exhausted name the entry."""
        count = 0
        try:
            with tarfile.open(fileobj=stream, mode="r|*", errorlevel=2, bufsize=_CHUNK_BYTES) as archive:
                while (member := archive.next()) is not None:
                    with _told(member.name):
                        check_depth(member.name)
                        self._plant_one(archive, member)
                    count += 1
                    vars(archive)["members"].clear()  # or it keeps every header, of millions of entries too
        except (tarfile.TarError, EOFError) as error:
            raise Invalid(f"the archive is none, or is broken: {error}") from error
        for path, member in reversed(self._directories):
            with _told(member.name):
                self._finish_directory(path, member)
        return count

    def _plant_one(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = rename(check_name(member.name), self._rules.name)
        if not path:
            return
        parent_path, _, name = path.rpartition("/")
        parent_fd = self._find_parent(parent_path)
        if self._make_way(parent_fd, name, member):
            self._make(archive, member, (parent_fd, name))
        if member.isdir():
            self._directories.append((path, member))

    def _find_parent(self, path: str) -> int:
        """Return a descriptor of the directory that entries go into, made with those above it where it is missing."""
        known_path, known_fd = self._parent
        if path == known_path:
            return known_fd
        try:
            parent_fd = self._open_above(path)
        except FileNotFoundError:
            above, _, name = path.rpartition("/")
            above_fd = self._find_parent(above)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=above_fd)
                self._chown(above_fd, name, None)
            parent_fd = self._open_above(path)
        os.close(self._parent[1])
        self._parent = (path, parent_fd)
        return parent_fd

    def _open_above(self, path: str) -> int:
        return self._ground.open_parent(path) if path else os.dup(self._ground.directory_fd)

    def _make_way(self, parent_fd: int, name: str, member: tarfile.TarInfo) -> bool:
        """Remove what an entry replaces; False when what is there is to be kept. Invalid as Docker refuses it."""
        try:
            mode = os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return True
        if stat.S_ISDIR(mode):
            if not member.isdir():
                raise Invalid(f"the directory {name} can't be replaced by something else: remove it first")
            return False
        if member.isdir():
            raise Invalid(f"{name} is there and is no directory: remove it first")
        try:
            os.unlink(name, dir_fd=parent_fd)
        except OSError as error:
            if error.errno != errno.EBUSY or not member.isreg():
                raise  # only a mounted file can be written to in its place
        return True

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: tuple[int, str]) -> None:
        parent_fd, name = place
        if member.isdir():
            os.mkdir(name, 0o700, dir_fd=parent_fd)
            return
        if member.islnk():
            self._link(member, place)
            return
        if member.issym():
            os.symlink(member.linkname, name, dir_fd=parent_fd)
            self._chown(parent_fd, name, member)
        elif member.isfifo() or member.ischr() or member.isblk():
            kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
            os.mknod(name, kind | stat.S_IMODE(member.mode), device, dir_fd=parent_fd)
            self._chown(parent_fd, name, member)
        elif member.isreg():
            self._write_file(archive, member, place)
            return
        else:
            raise Invalid("is of an unknown type")
        times = (member.mtime, member.mtime)
        os.utime(name, times, dir_fd=parent_fd, follow_symlinks=False)

    def _link(self, member: tarfile.TarInfo, place: tuple[int, str]) -> None:
        above, _, name = rename(check_name(member.linkname), self._rules.name).rpartition("/")
        above_fd = self._open_above(above)
        try:
            os.link(name, place[1], src_dir_fd=above_fd, dst_dir_fd=place[0], follow_symlinks=False)
        finally:
            os.close(above_fd)

    def _write_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: tuple[int, str]) -> None:
        source = archive.extractfile(member)
        with self._opened_new(place) as file_fd:
            while source is not None and (data := source.read(_CHUNK_BYTES)):
                _write_all(file_fd, data)
            self._finish(file_fd, member)

    @contextlib.contextmanager
    def _opened_new(self, place: tuple[int, str]) -> Iterator[int]:
        """Give a new file, or a mounted one emptied; never a device, nor what a link leads to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file_fd = os.open(place[1], flags, 0o600, dir_fd=place[0])
        except FileExistsError:
            present_fd = os.open(place[1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place[0])
            try:
                if not stat.S_ISREG(os.fstat(present_fd).st_mode):
                    raise
                truncating = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
                file_fd = os.open(str(present_fd), truncating, dir_fd=self._ground.descriptors_fd)
            finally:
                os.close(present_fd)
        try:
            yield file_fd
        finally:
            os.close(file_fd)

    def _finish_directory(self, path: str, member: tarfile.TarInfo) -> None:
        """Set what making entries in a directory would have changed or been kept from."""
        above, _, name = path.rpartition("/")
        above_fd = self._open_above(above)
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            directory_fd = os.open(name, flags, dir_fd=above_fd)
        finally:
            os.close(above_fd)
        try:
            self._finish(directory_fd, member)
        finally:
            os.close(directory_fd)

    def _finish(self, fd: int, member: tarfile.TarInfo) -> None:
        """Owner first: changing it clears set-id bits and capabilities (chown(2))."""
        owner = self._choose_owner(member)
        if owner is not None:
            os.fchown(fd, *owner)
        os.fchmod(fd, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            name = key.removeprefix(_XATTR_KEY)
            if name != key and name.startswith(_KEPT_XATTRS):
                try:
                    os.setxattr(fd, name, value.encode("utf-8", "surrogateescape"))
                except OSError as error:
                    if error.errno not in _NO_XATTRS:
                        raise
        os.utime(fd, (member.mtime, member.mtime))

    def _chown(self, parent_fd: int, name: str, member: tarfile.TarInfo | None) -> None:
        owner = self._choose_owner(member)
        if owner is not None:
            os.chown(name, *owner, dir_fd=parent_fd, follow_symlinks=False)

    def _choose_owner(self, member: tarfile.TarInfo | None) -> tuple[int, int] | None:
        owner = self._rules.owner
        if isinstance(owner, tuple):
            return owner
        return (member.uid, member.gid) if owner is None and member is not None else None


def open_below(directory_fd: int, path: str) -> int:
    """Open the directory at a path below another one; no part of it may be a link."""
    fd = os.dup(directory_fd)
    for part in path.split("/"):
        above_fd = fd
        try:
            fd = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above_fd)
        finally:
            os.close(above_fd)
    return fd


def check_name(name: str) -> str:
    """Return an entry's path, relative and without `.`; Invalid when it climbs."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise Invalid("climbs out of the archive")
    return "/".join(parts)


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


@contextlib.contextmanager
def _told(entry: str) -> Iterator[None]:
    """Name the entry that something is wrong with."""
    try:
        yield
    except HoldError as error:
        raise type(error)(f"entry {entry!r}: {error.message}") from error
    except OSError as error:
        kind = Exhausted if error.errno in _NO_SPACE else Refused
        raise kind(f"{entry} can't be written: {(error.strerror or str(error)).lower()}") from error
