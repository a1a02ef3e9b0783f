"""Wrong input is told in one place with what to do, and changes nothing."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import Machine

_GOOD = """
apiVersion: hold/v1
kind: Network
metadata: {name: sound}
spec: {subnets: [10.81.0.0/24]}
---
apiVersion: hold/v1
kind: Container
metadata: {name: sound}
spec: {image: "box:1", command: [sleep, "100000"], networks: [{name: sound, ipv4: 10.81.0.9}], ports: ["8093:80"]}
"""


@pytest.fixture(scope="module")
def sound(machine: Machine) -> Iterator[Machine]:
    """The machine with a sound network and container."""
    machine.succeed("apply", "-f", "-", stdin=_GOOD)
    machine.succeed("wait", "--for=condition=Ready", "container/sound")
    yield machine
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=_GOOD)


def _container(**spec: object) -> str:
    document = {"kind": "Container", "metadata": {"name": "wrong"}, "spec": {"image": "box:1", **spec}}
    return json.dumps(document)


def _network(**spec: object) -> str:
    return json.dumps({"kind": "Network", "metadata": {"name": "wrong"}, "spec": spec})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: Contaner\nmetadata: {name: a}", "did you mean Container?"),
        ("kind: Container\nmetadata: {name: a}\nspec:\n  imgae: x", "standard input:7:3"),
        (_container(imgae="x"), "did you mean image?"),
        (_container(resources={"memory": "lots"}), "is not a size"),
        (_container(resources={"pids": -1}), "spec.resources.pids"),
        (_container(stopSignal="SIGTREM"), "did you mean SIGTERM?"),
        (_container(ports=["70000:80"]), "65535"),
        (_container(ports=["90-80:90-80"]), "runs backwards"),
        (_container(networks=["nosuch"]), "Network/nosuch does not exist"),
        (_container(networks=["soud"]), "sound"),
        (_container(mounts=["nosuch:/data"]), "Volume/nosuch does not exist"),
        (_container(image="nosuch:1", pullPolicy="never"), "Image/nosuch:1 does not exist"),
        (_container(networks=[{"name": "sound", "ipv4": "10.99.0.1"}]), "10.99.0.1"),
        (_container(networks=[{"name": "sound", "ipv4": "10.81.0.9"}]), "10.81.0.9"),
        (_container(ports=["8093:80"]), "taken by Container/sound"),
        (_container(dependsOn={"wrong": {}}), "wrong"),
        (_container(mounts=["/a/../etc:/data"]), ".."),
        (_network(subnets=["10.81.0.0/25"]), "10.81.0.0/2"),
        (_network(subnets=["10.90.0.0/33"]), "10.90.0.0/33"),
        (_network(subnets=["10.90.0.0/24"], gateway="10.91.0.1"), "10.91.0.1"),
        ("kind: Volume\nmetadata: {name: '-bad'}", "-bad"),
        ("kind: Volume\nmetadata:\n\tname: a", "spaces"),
        ("kind: Volume\nmetadata: {name: a", "standard input:"),
        ("", "no objects"),
    ],
)
def test_a_batch_with_a_mistake_is_refused_whole(sound: Machine, text: str, told: str) -> None:
    before = json.loads(sound.succeed("info", "-o", "json"))["objects"]
    answer = sound.hold(
        "apply", "-f", "-", stdin=f"kind: Volume\nmetadata: {{name: innocent}}\n---\n{text}" if text else ""
    )
    assert answer.returncode == 1
    assert told in answer.stderr
    assert json.loads(sound.succeed("info", "-o", "json"))["objects"] == before


def test_a_cycle_of_dependencies_is_printed(sound: Machine) -> None:
    items = [
        {"kind": "Container", "metadata": {"name": name}, "spec": {"image": "box:1", "dependsOn": [other]}}
        for name, other in (("one", "two"), ("two", "one"))
    ]
    answer = sound.hold("apply", "-f", "-", stdin=json.dumps({"kind": "List", "items": items}))
    assert answer.returncode == 1
    assert "one" in answer.stderr
    assert "two" in answer.stderr


def test_a_port_of_a_foreign_process_is_taken(sound: Machine) -> None:
    with subprocess.Popen(["busybox", "nc", "-ll", "-p", "8094", "-e", "true"]) as process:
        answer = sound.hold("run", "-d", "--name", "late", "-p", "8094:80", "box:1", "true")
        process.kill()
    assert answer.returncode == 125
    assert "8094" in answer.stderr


@pytest.mark.parametrize("kind", ["network", "image"])
def test_what_is_used_is_not_deleted(sound: Machine, kind: str) -> None:
    name = {"network": "sound", "image": "box:1"}[kind]
    answer = sound.hold("delete", kind, name)
    assert answer.returncode == 1
    assert "Container/sound" in answer.stderr


def test_no_daemon_is_told_with_what_to_do(machine: Machine) -> None:
    answer = machine.hold("--host", "unix:///nowhere/hold.sock", "ps")
    assert answer.returncode == 1
    assert "hold daemon" in answer.stderr


def test_a_second_daemon_is_told_who_the_first_is(machine: Machine) -> None:
    second = Machine(machine.scratch_path)
    second.log_path = machine.scratch_path / "second.log"
    assert second.spawn_daemon().wait(timeout=60) == 1
    assert f"pid {machine.daemon_pid}" in second.read_log()


def test_a_wrong_setting_is_named(machine: Machine) -> None:
    second = Machine(machine.scratch_path / "other", options=["--resync-interval", "soon"])
    second.scratch_path.mkdir()
    assert second.spawn_daemon().wait(timeout=60) == 1
    assert "--resync-interval" in second.read_log()


def test_a_default_bridge_that_the_host_has_no_room_for_ends_the_start(scratch: Path) -> None:
    bound = Machine(scratch / "bound", options=["--instance", "bound", "--bip", "127.10.0.1/16"])
    bound.scratch_path.mkdir()
    assert bound.spawn_daemon().wait(timeout=60) == 1
    assert bound.read_log() == (
        "hold daemon: --bip: bip, fixedCidr: '127.10.0.0/16' can't be a network's, for 127.0.0.0/8 is the loopback: "
        "use a private subnet\n"
    )
    subprocess.run(["ip", "route", "add", "10.251.0.0/16", "dev", "lo"], check=True)
    try:
        routed = Machine(scratch / "bound", options=["--instance", "bound", "--bip", "10.251.3.1/24"])
        assert routed.spawn_daemon().wait(timeout=60) == 1
    finally:
        subprocess.run(["ip", "route", "del", "10.251.0.0/16", "dev", "lo"], check=True)
    told = (
        "Network/bridge: spec.subnets[0]: 10.251.3.0/24 overlaps 10.251.0.0/16, which the host has a route to"
    )
    assert told in routed.read_log()
    assert "Traceback" not in routed.read_log()


def test_a_damaged_store_is_told_and_left_alone(machine: Machine) -> None:
    broken = Machine(machine.scratch_path / "broken")
    broken.root_path.mkdir(parents=True)
    (broken.root_path / "hold.db").write_bytes(b"this is no database" * 100)
    assert broken.spawn_daemon().wait(timeout=60) == 1
    assert "hold.db" in broken.read_log()
    assert (broken.root_path / "hold.db").read_bytes().startswith(b"this is no database")


_BOMB = (
    "kind: Volume\nmetadata: {name: a}\na0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    + "spec: *a11\n"
)


def _count_objects(machine: Machine) -> object:
    return json.loads(machine.succeed("info", "-o", "json"))["objects"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("bomb.yaml", _BOMB, "bomb.yaml"),
        ("binary.yaml", "kind: Volume\x00\x01\x02", "binary.yaml"),
        ("deep.yaml", "[" * 100_000, "deep.yaml"),
        ("huge.yaml", "", "larger than 8 MiB"),
    ],
    ids=lambda value: value if len(value) < 20 else "text",
)
def test_a_hostile_file_is_refused_quickly(
    sound: Machine, tmp_path: Path, name: str, text: str, told: str
) -> None:
    before = _count_objects(sound)
    (tmp_path / name).write_text(text)
    if not text:
        os.truncate(tmp_path / name, 50 << 20)
    answer = sound.hold("apply", "-f", str(tmp_path / name))
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr) < 2000
    assert _count_objects(sound) == before


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00" * 4096,
        bytes(range(256)) * 64,
        b"GET / HTTP/1.1\r\nHost: hold\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 9000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x08\x01\x05" + b"?" * 64,
    ],
    ids=["zeros", "bytes", "http1", "preface", "frames"],
)  # fmt: skip
def test_junk_on_the_socket_disturbs_nobody(sound: Machine, junk: bytes) -> None:
    pid, before = sound.daemon_pid, sound.read_pid("sound")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(sound.run_path / "hold.sock"))
        with contextlib.suppress(OSError):
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    assert (sound.daemon_pid, sound.read_pid("sound")) == (pid, before)


def test_a_store_of_a_newer_version_is_left_alone(machine: Machine) -> None:
    newer = Machine(machine.scratch_path / "newer")
    newer.root_path.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(newer.root_path / "hold.db")) as database:
        database.execute("CREATE TABLE objects (kind TEXT)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
    content = (newer.root_path / "hold.db").read_bytes()
    assert newer.spawn_daemon().wait(timeout=60) == 1
    assert "written by a newer version of hold" in newer.read_log()
    assert (newer.root_path / "hold.db").read_bytes()[100:] == content[100:]


def test_a_missing_tool_is_named_with_its_package(sound: Machine) -> None:
    """Hidden in the mount namespace of the test host alone."""
    path = shutil.which("conmon") or "conmon"
    subprocess.run(["mount", "--bind", "/dev/null", path], check=True)
    try:
        doctor = sound.hold("doctor")
        answer = sound.hold("run", "--rm", "box:1", "true")
    finally:
        subprocess.run(["umount", path], check=True)
    assert doctor.returncode == 1
    assert "apt install conmon" in doctor.stdout + doctor.stderr
    assert answer.returncode == 125
    assert "conmon is missing on this host: install it (apt install conmon)" in answer.stderr
    assert sound.succeed("run", "--rm", "box:1", "echo", "there") == "there\n"
