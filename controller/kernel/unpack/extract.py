"""Entries become files below the process' root directory, which has to be empty and nobody else's."""

import errno
import os
import stat
from collections.abc import Callable

from controller.kernel.unpack import whiteouts
from controller.kernel.unpack.entry import Entry
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.window import Window

DEEPEST_LAYER = 256
DEEPEST_TREE = 2000
"""Directories in one another, of a layer and of somebody's own files; a path has no room for many more (PATH_MAX)."""
_PART_BYTES = 1 << 16
_LEAST_HOLE_BYTES = 1 << 12
_ZEROS = bytes(_PART_BYTES)
_OVERLAY_XATTRS = (b"trusted.overlay.", b"user.overlay.")
"""What overlayfs believes about its own layers (kernel, filesystems/overlayfs): not an archive's to say."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {b"3": stat.S_IFCHR, b"4": stat.S_IFBLK}


class Extractor:
    """Makes entries one by one; `finish` comes after the last.

    Files get what they are told at once, directories at the end: making entries in them changes their times, and a
    set-group-id bit would be passed on to what is made in them.
    """

    def __init__(self, window: Window, most_bytes: int, *, as_layer: bool = True) -> None:
        self._window = window
        self._as_layer = as_layer
        self._most_depth = DEEPEST_LAYER if as_layer else DEEPEST_TREE
        self._most_bytes = most_bytes
        self._directories: dict[bytes, Entry] = {}
        self._made = {b""}  # some of which something else may have replaced since
        self.size_bytes = 0

    def extract(self, entry: Entry) -> None:
        """Make one entry; an earlier one of the same name makes way."""
        if self.size_bytes + entry.size > self._most_bytes:
            raise Hostile(
                f"entry {entry.describe()} of {entry.size:,} bytes makes it larger than --layer-max-size allows"
            )
        path = check_name(entry.name, entry, self._most_depth)
        folder, _, name = path.rpartition(b"/")
        if self._as_layer and whiteouts.is_whiteout(name):
            self._hide(folder, name)
            return
        match entry.kind:
            case b"0":
                self._write_file(path, folder, entry)
            case b"5":
                self._make_directory(path)
                self._directories[path] = entry
            case b"1":
                self._link(path, entry)
            case b"2":
                self._place(path, lambda: os.symlink(entry.link, path))
                set_attributes(path, entry)
            case b"3" | b"4" | b"6":
                self._make_special(path, entry)
            case _:
                raise Hostile(f"entry {entry.describe()} is of an unknown type")

    def finish(self) -> None:
        """Give directories what they are told, the deepest first."""
        for path, entry in sorted(self._directories.items(), reverse=True):
            set_attributes(path or b"/", entry)

    def _hide(self, folder: bytes, name: bytes) -> None:
        if name == whiteouts.OPAQUE_NAME:
            self._make_directory(folder)
            whiteouts.make_opaque(folder or b"/")
            return
        target = whiteouts.find_target(name)
        if target is not None:
            self._make_directory(folder)
            whiteouts.hide(b"%b/%b" % (folder, target))

    def _write_file(self, path: bytes, folder: bytes, entry: Entry) -> None:
        if folder not in self._made:
            self._make_directory(folder)
        try:
            file_fd = os.open(path, _CREATE, entry.mode)
        except (FileNotFoundError, FileExistsError, NotADirectoryError):
            self._make_way(path)
            file_fd = os.open(path, _CREATE, entry.mode)
        try:
            if entry.extents is None:
                write_content(file_fd, self._window, entry.stored)
            else:
                for offset, length in entry.extents:
                    os.lseek(file_fd, offset, os.SEEK_SET)
                    write_content(file_fd, self._window, length)
                os.ftruncate(file_fd, entry.size)
            set_attributes(file_fd, entry)
        finally:
            os.close(file_fd)
        self.size_bytes += entry.size

    def _link(self, path: bytes, entry: Entry) -> None:
        target = check_name(entry.link, entry, self._most_depth)
        if target == path:
            raise Hostile(f"entry {entry.describe()} is a hard link to itself")
        try:
            self._place(path, lambda: os.link(target, path, follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise Hostile(
                f"entry {entry.describe()} is a hard link to {entry.describe_link()}, which is no file of the same archive"
            ) from error

    def _make_special(self, path: bytes, entry: Entry) -> None:
        kind = _KINDS.get(entry.kind, stat.S_IFIFO)
        device = os.makedev(*entry.device) if entry.kind in _KINDS else 0
        self._place(path, lambda: os.mknod(path, kind | 0o600, device))
        set_attributes(path, entry)

    def _place(self, path: bytes, make: Callable[[], None]) -> None:
        try:
            make()
        except (FileNotFoundError, FileExistsError, NotADirectoryError):
            self._make_way(path)
            make()

    def _make_directory(self, path: bytes) -> None:
        """Make a directory with all above it; what is there already and a directory, or a link to one, stays."""
        if not path:
            return  # the root directory itself
        folder = path.rpartition(b"/")[0]
        if folder not in self._made:
            self._make_directory(folder)
        self._made.add(path)
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            if not os.path.isdir(path):
                hidden = whiteouts.is_mark(path)
                self._make_way(path)
                os.mkdir(path, 0o755)
                if hidden:
                    whiteouts.make_opaque(path)
        except (FileNotFoundError, NotADirectoryError):
            self._make_directory(folder)
            os.mkdir(path, 0o755)

    def _make_way(self, path: bytes) -> None:
        """Make the directories above a path, and remove what lies there."""
        folder = path.rpartition(b"/")[0]
        if folder:
            self._make_directory(folder)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        if not path:
            raise Hostile("has a root directory that is none")
        if stat.S_ISDIR(mode):
            remove_tree(path)
            below = path + b"/"
            for each in [each for each in self._directories if each == path or each.startswith(below)]:
                del self._directories[each]
        else:
            os.unlink(path)


def write_content(file_fd: int, window: Window, size: int) -> None:
    """Write the next bytes of the window; long runs of zeros become holes."""
    if size < _LEAST_HOLE_BYTES:
        if size:
            write_all(file_fd, window.take(size))
        return
    hole = False
    for piece in window.pieces(size):
        begin = 0
        for at in range(0, len(piece), _PART_BYTES):
            part = piece[at : at + _PART_BYTES]
            hole = not part[0] and len(part) >= _LEAST_HOLE_BYTES and part == _ZEROS[: len(part)]
            if hole:
                write_all(file_fd, piece[begin:at])
                begin = at + len(part)
                os.lseek(file_fd, len(part), os.SEEK_CUR)
        write_all(file_fd, piece[begin:])
    if hole:
        os.ftruncate(file_fd, os.lseek(file_fd, 0, os.SEEK_CUR))


def write_all(file_fd: int, data: bytes | memoryview) -> None:
    """Write everything, as write(2) may take less."""
    while data:
        data = data[os.write(file_fd, data) :]


def set_attributes(target: int | bytes, entry: Entry) -> None:
    """Give a file (descriptor) or whatever lies at a path what the archive says of it.

    Owner first: changing it clears set-id bits and capabilities (chown(2)). A file that keeps its owner was made with
    its mode. A link that lies where a directory was meant is left alone.
    """
    follow = isinstance(target, int)
    if entry.kind == b"5" and not stat.S_ISDIR(os.stat(target, follow_symlinks=follow).st_mode):
        return
    owned = bool(entry.uid or entry.gid) or entry.kind == b"5"
    if owned:
        os.chown(target, entry.uid, entry.gid, follow_symlinks=follow)
    if entry.kind != b"2" and (owned or not follow):
        os.chmod(target, entry.mode)
    for name, value in entry.xattrs.items():
        if not name.startswith(_OVERLAY_XATTRS):
            set_xattr(target, name, value)
    os.utime(target, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=follow)


def set_xattr(target: int | bytes, name: bytes, value: bytes) -> None:
    """Set an extended attribute; one that the file system or the kind of file can't have is left out, as Docker does."""
    try:
        os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def check_name(name: bytes, entry: Entry, most_depth: int) -> bytes:
    """Return an absolute path below the root, empty for the root itself; Hostile when the name climbs, or goes too deep."""
    if name.startswith(b"./"):
        name = name[2:]
    if not (
        b"//" in name or b"." in name[:1] or b"/." in name or name.startswith(b"/") or name.endswith(b"/")
    ):
        parts_count = name.count(b"/")
        path = b"/" + name if name else b""
    else:
        parts = [part for part in name.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise Hostile(f"entry {entry.describe()} climbs out of the archive by '..'")
        parts_count = len(parts)
        path = b"".join(b"/" + part for part in parts)
    if parts_count > most_depth:
        raise Hostile(f"entry {entry.describe()} lies deeper than {most_depth} directories")
    return path


def remove_tree(path: bytes) -> None:
    """Remove a directory with all in it."""
    for folder, directories, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(folder, name))
        for name in directories:
            inner = os.path.join(folder, name)
            (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
    os.rmdir(path)
