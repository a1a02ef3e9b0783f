"""A data directory that is full, or can't be written: told in words, nothing changes, and it goes on when there is room."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import Machine, wait_for

_TICKING = ("sh", "-c", "while echo tick; do sleep 0.1; done")
_VOLUME = "kind: Volume\nmetadata: {name: more}\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose data directory is a file system of 24 MiB of its own, with a container that writes."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    scratch_path = tmp_path_factory.mktemp("small")
    (scratch_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    machine = Machine(scratch_path, options=["--resolv-conf", str(scratch_path / "resolv.conf")])
    machine.root_path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", machine.root_path], check=True)
    machine.start_daemon()
    machine.import_image(IMAGE)
    machine.succeed("run", "-d", "--name", "steady", "--restart", "always", IMAGE, *_TICKING)
    yield machine
    machine.purge()
    subprocess.run(["umount", "--lazy", machine.root_path], check=True)


def _fill_up(directory_path: Path) -> Path:
    """Leave not one free block; returns the file to remove when there is to be room again."""
    ballast_path = directory_path / "ballast"
    with ballast_path.open("ab", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            return ballast_path


def _list_objects(machine: Machine) -> dict[str, int]:
    objects: dict[str, int] = json.loads(machine.succeed("info", "-o", "json"))["objects"]
    return objects


def test_a_full_disk_is_told_until_there_is_room(small: Machine) -> None:
    before, pid = _list_objects(small), small.read_pid("steady")
    ballast_path = _fill_up(small.root_path)
    refused = [
        (1, small.hold("apply", "-f", "-", stdin=_VOLUME)),
        (125, small.hold("run", "--rm", IMAGE, "true")),
        (1, small.hold("stop", "steady")),
        (1, small.hold("import", str(small.make_image_archive()), "box:2")),
    ]
    assert [code for code, _ in refused] == [answer.returncode for _, answer in refused]
    assert all("no space left" in answer.stderr for _, answer in refused)
    assert _list_objects(small) == before
    assert "tick" in small.succeed("logs", "steady")
    assert small.succeed("exec", "steady", "echo", "inside") == "inside\n"
    assert small.read_pid("steady") == pid

    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "no space left" in small.read_log(), "a turn that can't be written down")
    small.kill_daemon()
    _fill_up(small.root_path)
    small.start_daemon()
    assert _list_objects(small) == before

    ballast_path.unlink()
    wait_for(lambda: small.read_pid("steady") not in (0, pid), "the next run")
    assert small.read_status("steady")["restarts"] == 1
    small.succeed("apply", "-f", "-", stdin=_VOLUME)
    assert small.succeed("run", "--rm", IMAGE, "echo", "room") == "room\n"


def test_a_read_only_directory_ends_the_start(small: Machine) -> None:
    pid = small.read_pid("steady")
    small.kill_daemon()
    place = str(small.root_path)
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    try:
        assert small.spawn_daemon().wait(timeout=60) == 1
        assert f"{place} can't be used: read-only file system" in small.read_log()
        assert "Traceback" not in small.read_log()
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
    small.start_daemon()
    assert small.read_pid("steady") == pid
