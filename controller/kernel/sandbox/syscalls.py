"""System calls that Python 3.11 lacks, one to one; each raises OSError."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

_PR_SET_PDEATHSIG = 1


def unshare(flags: int) -> None:
    """unshare(2). A new process namespace is entered by the next child, not by the caller."""
    _check(_libc().unshare(flags), "unshare")


def setns(namespace_fd: int, flags: int) -> None:
    """setns(2), for the calling thread alone."""
    _check(_libc().setns(namespace_fd, flags), "setns")


def mount(source: str, target_path: Path, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    answer = _libc().mount(
        source.encode(), os.fsencode(target_path), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    _check(answer, f"mount {kind} on {target_path}")


def make_mounts_private() -> None:
    """Mounts made from now on in this mount namespace stay in it."""
    mount("none", Path("/"), "", MS_REC | MS_PRIVATE)


def die_with_parent(signal_number: int) -> None:
    """prctl(PR_SET_PDEATHSIG): the caller gets the signal when its parent ends."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(answer: int, call: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
