"""From a path to the directory that has it and the name in there, following links one by one."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from controller.trees.landing import asks_for_directory

MOST_LINKS = 40
"""As path_resolution(7) has it."""

OpenDirectory = Callable[[str], int]
"""Opens the directory at a path, O_PATH, in whatever counts as the root; OSError as open(2)."""


class Place(NamedTuple):
    """A name in an open directory, with what is there now; `status` is None when nothing is.

    `name` is `.` for a directory that was named by no name of its own. `path` is where links have led.
    """

    directory_fd: int
    name: str
    path: str
    status: os.stat_result | None

    @property
    def is_directory(self) -> bool:
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


@contextlib.contextmanager
def located(path: str, open_directory: OpenDirectory, *, follow: bool) -> Iterator[Place]:
    """Give the place that a path means; a final link is followed when asked to, or when the path ends in a slash.

    OSError as open(2) when a directory on the way is missing. A link that leads to nothing gives the place where its
    target would be.
    """
    for _ in range(MOST_LINKS):
        place = _look(path, open_directory)
        try:
            is_link = place.status is not None and stat.S_ISLNK(place.status.st_mode)
            if not is_link or not (follow or asks_for_directory(path)):
                yield place
                return
            target = os.readlink(place.name, dir_fd=place.directory_fd)
        finally:
            os.close(place.directory_fd)
        path = _join(path, target)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _strip(path: str) -> str:
    while path.endswith(("/", "/.")):
        path = path[:-1]
    return path


def _join(path: str, target: str) -> str:
    """Return where a link at a path leads; what the path said about being a directory stays said."""
    parent, slash, _ = _strip(path).rpartition("/")
    joined = target if target.startswith("/") else f"{parent}{slash}{target}"
    return f"{joined}/" if asks_for_directory(path) else joined


def _look(path: str, open_directory: OpenDirectory) -> Place:
    parent, slash, name = _strip(path).rpartition("/")
    if name in ("", ".", ".."):
        directory_fd = open_directory(path or ".")
        return Place(directory_fd, ".", path, os.fstat(directory_fd))
    directory_fd = open_directory(parent or ("/" if slash else "."))
    try:
        status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return Place(directory_fd, name, path, None)
    except OSError:
        os.close(directory_fd)
        raise
    return Place(directory_fd, name, path, status)


def open_local_directory(path: str) -> int:
    """Open a directory as any program does."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_descriptors() -> int:
    """Open the directory of this process' descriptors, through which an O_PATH descriptor can be opened for real.

    It stays of use after a change of the root directory.
    """
    return os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
