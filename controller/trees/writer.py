"""From a tree to a tar stream (pax interchange format, pax(1)); links are written as such and never followed."""

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import Protocol

from controller.errors import Refused

MOST_DEPTH = 250
"""Directories in one another; each takes a few frames and two descriptors."""
_BUFFER_BYTES = 1 << 20
_READ_BYTES = 1 << 18
_VANISHED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_XATTRS = ("security.capability",)
_XATTR_PREFIX = "user."
_NO_XATTRS = {errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES}


class Sink(Protocol):
    """Where the stream goes."""

    def write(self, data: bytes, /) -> object:
        """Take all the bytes."""
        ...


class _Buffered:
    """Gathers small writes into large ones."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pieces: list[bytes] = []
        self._length = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(data)
        self._length += len(data)
        if self._length >= _BUFFER_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self._pieces:
            self._sink.write(b"".join(self._pieces))
            self._pieces, self._length = [], 0


class TreeWriter:
    """Writes trees to a stream; `close` ends it. What vanishes while it is read is left out.

    A file is first looked at without being opened, so that no device is ever opened by mistake, and then opened through
    its descriptor: that is what `descriptors_fd` is for (see `open_descriptors`).
    """

    def __init__(self, sink: Sink, descriptors_fd: int) -> None:
        self._sink = _Buffered(sink)
        self._known: dict[tuple[int, int], str] = {}
        self._descriptors_fd = descriptors_fd

    def close(self) -> None:
        """End the stream: two blocks of zeros."""
        self._sink.write(b"\0" * 2 * tarfile.BLOCKSIZE)
        self._sink.flush()

    def add(self, directory_fd: int, name: str, entry: str) -> None:
        """Write what a directory has under a name, with all below it, as `entry`.

        `.` as the name is the directory itself; an empty entry leaves the directory itself out.
        """
        check_depth(entry)
        try:
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
        except OSError as error:
            if error.errno in _VANISHED:
                return
            raise
        try:
            self.add_opened(fd, entry)
        finally:
            os.close(fd)

    def add_opened(self, fd: int, entry: str) -> None:
        """Write what an O_PATH descriptor stands for."""
        status = os.fstat(fd)
        if stat.S_ISSOCK(status.st_mode):
            return
        if stat.S_ISDIR(status.st_mode):
            self._add_directory(fd, entry, status)
            return
        header = make_header(entry, status)
        if status.st_nlink > 1:
            first = self._known.setdefault((status.st_dev, status.st_ino), entry)
            if first != entry:
                header.type, header.linkname, header.size = tarfile.LNKTYPE, first, 0
                self.add_header(header)
                return
        if stat.S_ISREG(status.st_mode):
            with self._reopened(fd, entry, os.O_RDONLY) as file_fd:
                self._describe(header, file_fd)
                self.add_header(header)
                self._copy(file_fd, header.size)
            return
        if stat.S_ISLNK(status.st_mode):
            header.linkname = os.readlink("", dir_fd=fd)
        self.add_header(header)

    def _add_directory(self, fd: int, entry: str, status: os.stat_result) -> None:
        with self._reopened(fd, entry, os.O_RDONLY | os.O_DIRECTORY) as directory_fd:
            if entry:
                header = make_header(entry, status)
                self._describe(header, directory_fd)
                self.add_header(header)
                self.add_marks(directory_fd, entry)
            for name in sorted(os.listdir(directory_fd)):  # noqa: PTH208 - a descriptor has no path
                self.add(directory_fd, name, f"{entry}/{name}" if entry else name)

    def add_marks(self, directory_fd: int, entry: str) -> None:
        """Write what has to stand in a directory before its own entries; nothing here."""

    @contextlib.contextmanager
    def _reopened(self, fd: int, entry: str, flags: int) -> Iterator[int]:
        """Give a descriptor to read what an O_PATH descriptor stands for; Refused names the entry."""
        try:
            opened_fd = os.open(str(fd), flags | os.O_CLOEXEC, dir_fd=self._descriptors_fd)
        except OSError as error:
            raise Refused(f"{entry} can't be read: {(error.strerror or str(error)).lower()}") from error
        try:
            yield opened_fd
        finally:
            os.close(opened_fd)

    def _describe(self, header: tarfile.TarInfo, fd: int) -> None:
        header.pax_headers = {
            f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
            for name, value in read_xattrs(fd)
        }

    def add_header(self, header: tarfile.TarInfo) -> None:
        """Write the header of an entry; one with content is followed by it."""
        self._sink.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _copy(self, fd: int, size: int) -> None:
        """Write as many bytes as the header tells: what a file lost since is zeros, what it gained is left out."""
        left = size
        while left:
            data = os.read(fd, min(left, _READ_BYTES)) or b"\0" * min(left, _READ_BYTES)
            self._sink.write(data)
            left -= len(data)
        self._sink.write(b"\0" * (-size % tarfile.BLOCKSIZE))


def check_depth(path: str) -> None:
    """Refuse what only somebody makes who wants to see a program fail."""
    if path.count("/") > MOST_DEPTH:
        raise Refused(f"{path[:40]}... lies in more than {MOST_DEPTH} directories, one in another")


def make_header(entry: str, status: os.stat_result) -> tarfile.TarInfo:
    """Return the header for a file's status; times are whole seconds, as Docker writes them."""
    header = tarfile.TarInfo(entry)
    header.mode = stat.S_IMODE(status.st_mode)
    header.uid, header.gid, header.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            header.type = tarfile.DIRTYPE
        case stat.S_IFLNK:
            header.type = tarfile.SYMTYPE
        case stat.S_IFIFO:
            header.type = tarfile.FIFOTYPE
        case stat.S_IFCHR | stat.S_IFBLK as kind:
            header.type = tarfile.CHRTYPE if kind == stat.S_IFCHR else tarfile.BLKTYPE
            header.devmajor, header.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        case _:
            header.size = status.st_size
    return header


def read_xattrs(fd: int) -> Iterator[tuple[str, bytes]]:
    """Yield the extended attributes worth keeping: the user's own, and capabilities of files."""
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return
        raise
    for name in sorted(names):
        if name in _XATTRS or name.startswith(_XATTR_PREFIX):
            with contextlib.suppress(OSError):
                yield name, os.getxattr(fd, name)
