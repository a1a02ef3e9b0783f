"""Which cgroup trees are there: what a mount covers does not count."""

import subprocess
import sys
from pathlib import Path

import pytest

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.mountinfo import read_mounts
from controller.model.ids import Uid

_GUEST = """
import threading, sys
def visit():
    open(sys.argv[1], "w").write("0")
    print("there", flush=True)
    sys.stdin.read()
threading.Thread(target=visit).start()
"""
"""A program with a thread in a cgroup of version 1, until its input ends."""


def test_covered_trees_do_not_count() -> None:
    """The test host mounts trees of its own over the machine's, whose mounts are still listed."""
    cgroups = Cgroups.find("hold")
    assert len(set(cgroups.mount_paths)) == len(cgroups.mount_paths)
    assert all(Path(path).is_dir() for path in cgroups.mount_paths)
    listed = {entry.target for entry in read_mounts() if entry.kind == "cgroup2"}
    visible = {path for path in listed if Path(path, "cgroup.procs").exists()}
    assert cgroups.hybrid == (bool(cgroups.v1_paths) and bool(visible))


def test_who_has_only_a_thread_in_a_container_is_none_of_its_processes() -> None:
    """As the process that starts health checks has."""
    cgroups, uid = Cgroups.find("hold"), Uid("c" * 32)
    if cgroups.unified_path is not None:
        pytest.skip("version 2 moves whole processes between containers")
    directory = cgroups.directory(uid, "pids")
    assert directory is not None
    directory.mkdir(parents=True)
    command = [sys.executable, "-c", _GUEST, str(directory / "tasks")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as guest,
        subprocess.Popen(["sleep", "1000"]) as own,
    ):
        try:
            assert guest.stdin is not None
            assert guest.stdout is not None
            assert guest.stdout.readline() == b"there\n"
            Path(directory, "cgroup.procs").write_text(str(own.pid))
            listed = {int(pid) for pid in Path(directory, "cgroup.procs").read_text().split()}
            assert listed == {guest.pid, own.pid}
            assert cgroups.members(uid, str(directory)) == [own.pid]
            cgroups.kill(uid)
            assert own.wait() == -9
            guest.stdin.close()
            assert guest.wait() == 0
        finally:
            guest.kill()
            own.kill()
    directory.rmdir()
