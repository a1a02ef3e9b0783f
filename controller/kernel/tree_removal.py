"""Directories removed with all that is in them, however deep that is."""

import os
from pathlib import Path

from controller.kernel.descents import Descent


def remove_tree(path: str | Path) -> None:
    """Remove a directory; OSError when something in it can't be, such as a directory with something mounted at it."""
    with Descent(path) as place:
        waiting = [_empty(place.fd)]
        while True:
            if waiting[-1]:
                place.enter(waiting[-1].pop())
                waiting.append(_empty(place.fd))
                continue
            waiting.pop()
            if not waiting:
                break
            emptied = place.leave()
            os.rmdir(emptied, dir_fd=place.fd)
    Path(path).rmdir()


def _empty(fd: int) -> list[str]:
    """Remove all but directories from a directory; returns their names."""
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=fd)
    return [name for name, is_directory in found if is_directory]
