"""The pipes that a container's process writes into: `enlarge_pipes(pid, size_bytes)`."""

import contextlib
import fcntl
import os

_STDOUT, _STDERR = 1, 2


def enlarge_pipes(pid: int, size_bytes: int) -> None:
    """Let a process write as much as this while nobody reads; nothing for a terminal, or when it has ended.

    The kernel rounds up to a power of two, and says no to more than fs.pipe-max-size without CAP_SYS_RESOURCE (pipe(7)):
    then the size stays as it was.
    """
    for number in (_STDOUT, _STDERR):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size_bytes)
            finally:
                os.close(fd)
