"""A host whose first process is a real systemd, with the unit of hold as it is shipped; in a test host.

It has the test host's network, and processes, mounts, /run and /var/lib of its own; only units named here exist.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine import Machine, wait_for

REPOSITORY_PATH = Path(__file__).parents[2]
UNIT_PATH = REPOSITORY_PATH / "controller/packaging/hold.service"
WATCHDOG_S = 3
_TARGETS = ("default", "network-online", "local-fs", "sysinit", "basic", "shutdown", "multi-user", "umount")
_DROP_IN = f"""[Service]
ExecStart=
ExecStart={sys.executable} -m controller daemon
WorkingDirectory={REPOSITORY_PATH}
WatchdogSec={WATCHDOG_S}
LimitCORE=0
StandardOutput=append:LOG
StandardError=append:LOG
"""
# systemd makes directories beside the hierarchies; crun would take them for hierarchies of the host.
_BOOT = """
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /var/lib
mkdir /run/cgroups
mount -t tmpfs -o mode=755 none /run/cgroups
for hierarchy in /sys/fs/cgroup/*; do
    mkdir "/run/cgroups/${hierarchy##*/}"
    mount --bind "$hierarchy" "/run/cgroups/${hierarchy##*/}"
done
mount --move /run/cgroups /sys/fs/cgroup
exec /lib/systemd/systemd --system --unit=default.target --log-target=console --show-status=0
"""


class ServiceHost(Machine):
    """A machine on which systemd runs the daemon; commands run inside it."""

    def __init__(self, scratch_path: Path, *, init_pid: int) -> None:
        super().__init__(scratch_path)
        self._inside = ["nsenter", "--target", str(init_pid), "--mount", "--pid"]

    def systemctl(self, *arguments: str) -> str:
        """Run a systemctl command that has to succeed and return what it printed."""
        return subprocess.run(
            [*self._inside, "systemctl", *arguments], check=True, capture_output=True, text=True, timeout=120
        ).stdout.strip()

    def run_inside(self, *command: str) -> str:
        """Run a program that has to succeed and return what it printed."""
        return subprocess.run([*self._inside, *command], check=True, capture_output=True, text=True).stdout

    def hold(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a hold command to its end, at the daemon's usual address."""
        return subprocess.run(
            [*self._inside, sys.executable, "-m", "controller", *arguments],
            cwd=REPOSITORY_PATH,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@contextmanager
def booted_service_host(scratch_path: Path) -> Iterator[ServiceHost]:
    """Boot such a host; at the end all objects are deleted and every process in it is ended."""
    units_path = scratch_path / "units"
    _write_units(units_path, log_path=scratch_path / "daemon.log")
    environment = {"PATH": os.environ["PATH"], "container": "test", "SYSTEMD_UNIT_PATH": str(units_path)}
    with (scratch_path / "systemd.log").open("wb") as log:
        outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "sh", "-ec", _BOOT],
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        children_path = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        wait_for(lambda: outer.poll() is not None or children_path.read_text(), "systemd's process")
        host = ServiceHost(scratch_path, init_pid=int(children_path.read_text()))
        wait_for(lambda: _has_booted(host), "systemd's boot")
        yield host
        for kind in ("container", "network", "volume", "image"):
            host.succeed("delete", kind, "--all", "--force", "--grace-period", "0")
        host.systemctl("stop", "hold")
    finally:
        outer.send_signal(signal.SIGKILL)
        outer.wait()


def _write_units(units_path: Path, *, log_path: Path) -> None:
    (units_path / "hold.service.d").mkdir(parents=True)
    for target in _TARGETS:
        (units_path / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    (units_path / "hold.service").write_text(UNIT_PATH.read_text())
    (units_path / "hold.service.d/here.conf").write_text(_DROP_IN.replace("LOG", str(log_path)))


def _has_booted(host: ServiceHost) -> bool:
    try:
        return host.systemctl("is-system-running") == "running"
    except subprocess.CalledProcessError:
        return False
