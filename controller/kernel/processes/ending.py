"""Ending processes without ever meaning another one: by pidfd, opened first and checked then."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from controller.kernel.subprocesses import wait_readable

PATIENCE_S = 5.0
_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def open_pidfd(pid: int, is_meant: Callable[[int], bool]) -> int | None:
    """Return a descriptor for `pid` if, once it is held, `is_meant` still says so; None otherwise."""
    if pid <= 0:
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if is_meant(pid):
        return pidfd
    os.close(pidfd)
    return None


async def wait_for_end(pidfd: int) -> None:
    """Wait for the process to end, kill it after PATIENCE_S, and close the descriptor."""
    try:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await wait_readable(pidfd)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await wait_readable(pidfd)
    finally:
        os.close(pidfd)


async def kill_strays(uid: str) -> None:
    """Kill monitors and runtimes that a daemon, dead before it could note their pids, has set to work for `uid`."""
    for pid in await asyncio.to_thread(_find_strays, uid):
        pidfd = open_pidfd(pid, lambda pid: _mentions(pid, uid))
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            await wait_for_end(pidfd)


def read_start_time(pid: int) -> float | None:
    """Return when a process was made, None when it is gone (proc_pid_stat(5), starttime)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(boot.split()[1]) + int(stat.rpartition(")")[2].split()[19]) / _CLOCK_TICKS_PER_S


def _find_strays(uid: str) -> list[int]:
    own = os.getpid()
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if pid != own and _mentions(pid, uid)]


def _mentions(pid: int, uid: str) -> bool:
    """Tell whether the process is a monitor or runtime of `uid`: its command line has the uid as a word of its own."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    name = words[0].rsplit(b"/", 1)[-1]
    return uid.encode() in words and name in (b"conmon", b"crun", b"runc")


def read_network_identity(pid: int) -> int:
    """Return the number of a process' network namespace, 0 when the process is gone."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0
