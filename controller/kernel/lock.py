"""One daemon for one directory, one for an instance on a host."""

import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.errors import Conflict, Exhausted, Refused

LOG = logging.getLogger(__name__)

_NO_SPACE = {28, 122}  # ENOSPC, EDQUOT
_CREDENTIALS = struct.Struct("iII")
"""pid, uid, gid (unix(7), SO_PEERCRED)."""
_MOST_ASKERS = 4096
"""Of those that are told who holds a name: nobody takes their connections off the queue."""


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


@contextmanager
def exclusive_instance(instance: str) -> Iterator[None]:
    """Be the only daemon of that name in this network namespace for the length of the block; Conflict names another's pid.

    Links, chains and cgroups bear the name, so two would take each other's for their own. Abstract sockets belong to
    a network namespace, as most of these do, and the kernel lets go of them when the process ends.
    """
    address = f"\0hold/instance/{instance}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as holder:
        try:
            holder.bind(address)
            holder.listen(_MOST_ASKERS)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _refuse_second(address, instance)
        yield


def _refuse_second(address: str, instance: str) -> None:
    """Raise Conflict; nothing where the name is held by somebody who could not be a daemon."""
    pid, uid = _read_holder(address)
    if uid != os.geteuid():
        LOG.warning("instance name taken by another user", extra={"instance": instance, "pid": pid})
        return
    raise Conflict(
        f"another daemon{f' (pid {pid})' if pid else ''} is instance {instance} on this host: stop it, or choose another name by --instance"
    )


def _read_holder(address: str) -> tuple[int, int]:
    """Return pid and user of who listens there; 0 and our own where that can't be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asker:
        try:
            asker.connect(address)
        except OSError:
            return 0, os.geteuid()
        pid, uid, _ = _CREDENTIALS.unpack(
            asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
    return pid, uid
