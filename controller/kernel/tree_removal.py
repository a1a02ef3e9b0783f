"""Directories removed with all that is in them, however deep that is."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """A directory on the way down: its name, what tells it from others, and the directories in it that are left."""

    name: str
    identity: tuple[int, int]
    inner: list[str]


def remove_tree(path: str | Path) -> None:
    """Remove a directory; OSError when something in it can't be, such as a directory with something mounted at it.

    A program can nest directories deeper than a path, the call stack or the table of descriptors goes (path_resolution(7)).
    So each is opened from the one above, and left by `..`, which has to lead to where it was come from. No link is
    followed.
    """
    fd = os.open(path, _DIRECTORY)
    try:
        trail = [_enter(fd, "")]
        while trail:
            if trail[-1].inner:
                name = trail[-1].inner.pop()
                fd = _move(fd, name)
                trail.append(_enter(fd, name))
                continue
            emptied = trail.pop()
            if trail:
                fd = _move(fd, "..")
                if _identify(fd) != trail[-1].identity:
                    raise OSError(errno.ESTALE, "a directory was moved while it was removed", emptied.name)
                os.rmdir(emptied.name, dir_fd=fd)
    finally:
        os.close(fd)
    Path(path).rmdir()


def _enter(fd: int, name: str) -> _Level:
    """Remove all but directories from a directory."""
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for entry_name, is_directory in found:
        if not is_directory:
            os.unlink(entry_name, dir_fd=fd)
    inner = [entry_name for entry_name, is_directory in found if is_directory]
    return _Level(name=name, identity=_identify(fd), inner=inner)


def _move(fd: int, name: str) -> int:
    """Return the directory of that name in an open one, which is closed."""
    there_fd = os.open(name, _DIRECTORY, dir_fd=fd)
    os.close(fd)
    return there_fd


def _identify(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
