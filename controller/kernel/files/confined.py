"""Files inside a container's root, reached so that no link or race leads out of it (openat2(2), RESOLVE_IN_ROOT)."""

import contextlib
import errno
import os
from collections.abc import Iterator

from controller.errors import Refused
from controller.kernel import syscalls

MAX_TEXT_BYTES = 4 << 20
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@contextlib.contextmanager
def open_root(root_path: str) -> Iterator[int]:
    """Give a descriptor for a root directory."""
    fd = os.open(root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def open_in_root(root_fd: int, path: str, flags: int) -> int:
    """Open `path` as a process whose root is `root_fd` would; OSError as open(2)."""
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    return syscalls.openat2(root_fd, path.lstrip("/") or ".", flags, resolve=resolve)


def read_text_in_root(root_fd: int, path: str) -> str | None:
    """Return the text of a regular file, None when there is none; Refused when it is absurdly large."""
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno in _MISSING | {errno.ENXIO, errno.EACCES}:
            return None
        raise
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(fd)
        if not _is_regular(status.st_mode):
            return None
        if status.st_size > MAX_TEXT_BYTES:
            raise Refused(f"{path} of the container is larger than {MAX_TEXT_BYTES} bytes")
        return file.read(MAX_TEXT_BYTES).decode(errors="replace")


def make_directories_in_root(root_fd: int, path: str) -> None:
    """Make a directory and its parents, mode 0755, where they are missing; Refused when a file is in the way."""
    parent_fd = os.dup(root_fd)
    walked = ""
    try:
        for part in (part for part in path.split("/") if part not in ("", ".")):
            walked = f"{walked}/{part}"
            next_fd = _open_or_make(root_fd, parent_fd, walked, part)
            os.close(parent_fd)
            parent_fd = next_fd
    finally:
        os.close(parent_fd)


def _open_or_make(root_fd: int, parent_fd: int, walked: str, name: str) -> int:
    try:
        return open_in_root(root_fd, walked, os.O_PATH | os.O_DIRECTORY)
    except OSError as exc:
        if exc.errno == errno.ENOTDIR:
            raise Refused(f"{walked} in the container is not a directory: name another path") from exc
        if exc.errno != errno.ENOENT:
            raise
    try:
        os.mkdir(name, 0o755, dir_fd=parent_fd)
    except FileExistsError as exc:
        raise Refused(f"{walked} in the container is a link that leads nowhere") from exc
    return open_in_root(root_fd, walked, os.O_PATH | os.O_DIRECTORY)


def _is_regular(mode: int) -> bool:
    return mode & 0o170000 == 0o100000
