"""Ways through directories that may be nested deeper than a path, the call stack or the table of descriptors goes."""

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Descent:
    """A place in a tree, as an open directory (`fd`); to be used as a context manager.

    Each directory is opened from the one above, and left by `..`, which has to lead to where it was come from: somebody may
    move it meanwhile, and then `..` leads out of the tree in the end. No link is followed.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self.names: list[str] = []
        """Of the directories from the top, which is not among them, to the present one."""
        self.fd = os.open(path, _DIRECTORY)
        self._identities = [self._identify()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def enter(self, name: str) -> None:
        """Go into a directory of the present one; OSError when there is none of that name."""
        self._go(name)
        self.names.append(name)
        self._identities.append(self._identify())

    def leave(self) -> str:
        """Go back to the directory above; returns the name of the one that is left.

        OSError (ESTALE) when the one above is not to be found any more.
        """
        left = self.names.pop()
        self._identities.pop()
        with contextlib.suppress(OSError):
            self._go("..")
        if self._identify() != self._identities[-1]:
            self._return(left)
        return left

    def _return(self, left: str) -> None:
        """Come to the present directory from the top."""
        with contextlib.suppress(OSError):
            self._go(os.fspath(self._path))
            for name in self.names:
                self._go(name)
        if self._identify() != self._identities[-1]:
            raise OSError(errno.ESTALE, "a directory was moved meanwhile", left)

    def _go(self, name: str) -> None:
        there_fd = os.open(name, _DIRECTORY, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = there_fd

    def _identify(self) -> tuple[int, int]:
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino
