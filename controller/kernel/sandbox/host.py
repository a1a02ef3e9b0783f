"""Makes a throw-away host, runs something in it, and ends all that is in it."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from controller.kernel.sandbox import processes, syscalls
from controller.kernel.sandbox.cgroups import OwnCgroups, read_hierarchies, thaw_all

_CAP_SYS_ADMIN = 21
_NAMESPACES = (
    syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWUTS
)


def find_reason_against() -> str | None:
    """Return why a throw-away host can't be made here, None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs the ip program (package iproute2)"
    if not read_hierarchies():
        return "needs mounted cgroups"
    if not _may_make_namespaces():
        return "needs the right to make namespaces (CAP_SYS_ADMIN)"
    return None


def run_in_host(body: Callable[[], int], *, hostname: str) -> int:
    """Make a host, run `body` in a process of it, end all that is in it; returns the exit code of that process.

    `body` runs with the signal mask that the caller had. Must be called before the process has other threads.
    """
    mask = processes.block_signals()
    with OwnCgroups.made() as cgroups:
        return processes.supervise(processes.spawn(lambda: _leave_machine(cgroups, body, hostname, mask)))


def _leave_machine(
    cgroups: OwnCgroups, body: Callable[[], int], hostname: str, mask: set[signal.Signals]
) -> int:
    cgroups.enter()
    syscalls.unshare(_NAMESPACES)
    return processes.supervise(processes.spawn(lambda: _boot(cgroups, body, hostname, mask)))


def _boot(cgroups: OwnCgroups, body: Callable[[], int], hostname: str, mask: set[signal.Signals]) -> int:
    """Process 1 of the host; its end is the end of every process in it."""
    plain = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.make_mounts_private()
    syscalls.mount("proc", Path("/proc"), "proc", plain)
    syscalls.mount("sysfs", Path("/sys"), "sysfs", plain)
    syscalls.mount("tmpfs", Path("/run"), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    cgroups.mount_inside()
    socket.sethostname(hostname)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    code = processes.supervise(processes.spawn(lambda: _restore_signals(body, mask)))
    thaw_all()
    return code


def _restore_signals(body: Callable[[], int], mask: set[signal.Signals]) -> int:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return body()


def _may_make_namespaces() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_ADMIN & 1)
