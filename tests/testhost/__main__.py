"""Run a command in a test host: `python -m tests.testhost [--] COMMAND...`.

Exits with the command's code (128+n if signal n ended it); 77 where test hosts can't be made here, or 1 where
HOLD_REQUIRE_KERNEL=1 asks for them; 125 where making one failed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.testhost import processes, syscalls
from tests.testhost.cgroups import OwnCgroups, read_hierarchies, thaw_all

EXIT_SKIPPED = 77
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
    """Why a test host can't be made here."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs the ip program (package iproute2)"
    if not read_hierarchies():
        return "needs mounted cgroups"
    if not _may_make_namespaces():
        return "needs the right to make namespaces (CAP_SYS_ADMIN)"
    return None


def _may_make_namespaces() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_ADMIN & 1)


def run_in_host(command: Sequence[str]) -> int:
    """Make a test host, run the command in it, end all that is in it. Returns the command's exit code."""
    mask = processes.block_signals()
    with OwnCgroups.made() as cgroups:
        return processes.supervise(processes.spawn(lambda: _leave_machine(cgroups, command, mask)))


def _leave_machine(cgroups: OwnCgroups, command: Sequence[str], mask: set[signal.Signals]) -> int:
    cgroups.enter()
    syscalls.unshare(_NAMESPACES)
    return processes.supervise(processes.spawn(lambda: _boot(cgroups, command, mask)))


def _boot(cgroups: OwnCgroups, command: Sequence[str], mask: set[signal.Signals]) -> int:
    """Process 1 of the host; its end is the end of every process in it."""
    plain = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.make_mounts_private()
    syscalls.mount("proc", Path("/proc"), "proc", plain)
    syscalls.mount("sysfs", Path("/sys"), "sysfs", plain)
    syscalls.mount("tmpfs", Path("/run"), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    cgroups.mount_inside()
    socket.sethostname("testhost")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    environment = os.environ | {"HOLD_TEST_HOST": "1"}
    code = processes.supervise(processes.spawn(lambda: processes.execute(command, environment, mask)))
    thaw_all()
    return code


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command or (command is arguments and command[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    reason = find_reason_against()
    if reason is not None:
        print(f"test host: {reason}", file=sys.stderr)
        return 1 if os.environ.get("HOLD_REQUIRE_KERNEL") == "1" else EXIT_SKIPPED
    return run_in_host(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
