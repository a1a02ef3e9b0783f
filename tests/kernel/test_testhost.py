"""The test host itself: what it keeps from the machine, and what its parts promise."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testhost.inventory import read_inventory
from tests.testhost.peer import Peer


def run_in_host(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a test host inside this one."""
    host = [sys.executable, "-m", "tests.testhost", "--", *command]
    return subprocess.run(host, check=False, capture_output=True, text=True)


def test_it_is_a_fresh_machine() -> None:
    answer = run_in_host("sh", "-c", "hostname; ls /run | wc -l; ip -o link | wc -l; cat /proc/self/cgroup")
    assert answer.stdout.splitlines()[:3] == ["testhost", "0", "1"]
    assert all(line.endswith((":/", ":/init")) for line in answer.stdout.splitlines()[3:])


@pytest.mark.parametrize(("script", "code"), [("exit 5", 5), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    assert run_in_host("sh", "-c", script).returncode == code


def test_a_missing_command_is_said() -> None:
    answer = run_in_host("no-such-command")
    assert answer.returncode == 127
    assert "no-such-command" in answer.stdout + answer.stderr


@pytest.mark.usefixtures("host_left_as_found")
def test_all_that_it_had_ends_with_it() -> None:
    script = """
        ip netns add left
        mkdir /run/left
        mount -t tmpfs left /run/left
        for folder in /sys/fs/cgroup/*/; do mkdir "$folder/left"; done
        setsid sleep 1000 &
    """
    assert run_in_host("sh", "-ec", script).returncode == 0


@pytest.mark.usefixtures("host_left_as_found")
def test_a_frozen_process_ends_with_it() -> None:
    freezer_path = Path("/sys/fs/cgroup/freezer")
    if not freezer_path.is_dir():
        pytest.skip("cgroup version 2 kills what is frozen")
    script = """
        mkdir /sys/fs/cgroup/freezer/ice
        setsid sleep 1000 & echo $! > /sys/fs/cgroup/freezer/ice/cgroup.procs
        echo FROZEN > /sys/fs/cgroup/freezer/ice/freezer.state
    """
    assert run_in_host("sh", "-ec", script).returncode == 0


def test_a_signal_reaches_the_command() -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    command = [sys.executable, "-m", "tests.testhost", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        host.terminate()
        assert host.wait(timeout=60) == 9


def test_an_inventory_names_what_was_added() -> None:
    before = read_inventory()
    subprocess.run(["ip", "link", "add", "surplus", "type", "bridge"], check=True)
    try:
        assert "links: surplus" in read_inventory().added_since(before)
    finally:
        subprocess.run(["ip", "link", "delete", "surplus"], check=True)


def test_a_peer_reaches_the_host_by_its_cable_alone(peer: Peer) -> None:
    with socket.create_server((peer.host_address, 0)) as server, peer.socket() as client:
        client.connect(server.getsockname())
        connection, (source_address, _) = server.accept()
        with connection:
            assert source_address == peer.address
    assert peer.run("ip", "-o", "-4", "-br", "address", "show", "eth0").stdout.split()[2] == "192.0.2.2/24"
