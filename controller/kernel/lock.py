"""One daemon for one directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.errors import Conflict, Exhausted, Refused

_NO_SPACE = {28, 122}  # ENOSPC, EDQUOT


@contextmanager
def exclusive(directory_path: Path) -> Iterator[None]:
    """Hold the directory for the length of the block, making it first if it is missing (mode 0700).

    The kernel lets go of it when the process ends, however it ends. Conflict names the pid of another holder; Refused
    and Exhausted say why the directory can't be written.
    """
    lock_path = directory_path / "hold.lock"
    try:
        directory_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = f"{directory_path} can't be used: {(error.strerror or str(error)).lower()}"
        raise (Exhausted if error.errno in _NO_SPACE else Refused)(reason) from error
    try:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(lock_fd, 32, 0).decode().strip() or "unknown"
            raise Conflict(
                f"another daemon (pid {pid}) uses {directory_path}: stop it, or choose other directories by --root and --run"
            ) from error
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock_fd)
