"""Mounts taken away again."""

import errno
from pathlib import Path

from controller.kernel import syscalls

_NOT_MOUNTED = {errno.EINVAL, errno.ENOENT}


def unmount_all(target: str | Path) -> None:
    """Unmount all that is mounted at a path, one above the other; nothing when nothing is, or there is no such path.

    It is gone for whoever looks there, and goes on for those who have files of it open (umount(2), MNT_DETACH).
    """
    while True:
        try:
            syscalls.umount2(str(target), syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
        except OSError as exc:
            if exc.errno in _NOT_MOUNTED:
                return
            raise
