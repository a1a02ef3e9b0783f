"""The pipes that a container's process writes into: `enlarge_pipes(pid, size_bytes)`."""

import contextlib
import fcntl
import os
from pathlib import Path

_STDOUT, _STDERR = 1, 2
_MOST_PATH = Path("/proc/sys/fs/pipe-max-size")


def enlarge_pipes(pid: int, size_bytes: int) -> None:
    """Let a process write as much as this while nobody reads; nothing for a terminal, or when it has ended.

    The kernel rounds up to a power of two. Without CAP_SYS_RESOURCE it allows fs.pipe-max-size at most (pipe(7)), which is
    taken then.
    """
    for number in (_STDOUT, _STDERR):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                _enlarge(fd, size_bytes)
            finally:
                os.close(fd)


def _enlarge(fd: int, size_bytes: int) -> None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size_bytes)
    except PermissionError:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, min(size_bytes, int(_MOST_PATH.read_text())))
