"""Files in and out of containers, images of them, what they use: as a person types it."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine


def pipe(machine: Machine, *words: str, stdin: bytes = b"") -> bytes:
    """Run a command that takes and gives bytes."""
    answer = subprocess.run(
        [PROGRAM, *words], env=machine.environment, input=stdin, capture_output=True, check=False, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_files_are_copied_whatever_the_container_does(machine: Machine, scratch: Path) -> None:
    volume = ("-v", "cp-data:/data")
    machine.succeed("run", "-d", "--name", "busy", *volume, "--tmpfs", "/memory", IMAGE, "sleep", "1000")
    machine.succeed("create", "--name", "still", *volume, IMAGE, "true")
    (scratch / "tree/sub").mkdir(parents=True)
    (scratch / "tree/file").write_text("hello\n")
    (scratch / "tree/file").chmod(0o751)
    (scratch / "tree/link").symlink_to("file")
    tree = str(scratch / "tree")

    assert "copied" in machine.hold("cp", tree, "busy:/memory/").stderr
    assert machine.hold("cp", "-q", f"{tree}/.", "busy:/tmp").stderr == ""
    told = machine.succeed(
        "exec", "busy", "stat", "-c", "%n %a %u", "/memory/tree/file", "/tmp/file", "/tmp/sub"
    )
    assert told == "/memory/tree/file 751 0\n/tmp/file 751 0\n/tmp/sub 755 0\n"
    machine.succeed("pause", "busy")
    machine.succeed("cp", f"{tree}/file", "busy:/data/paused")
    machine.succeed("unpause", "busy")
    machine.succeed("cp", f"{tree}/file", "still:/data/stopped")
    machine.succeed("cp", "still:/data", str(scratch / "data"))
    assert sorted(path.name for path in (scratch / "data").iterdir()) == ["paused", "stopped"]

    machine.succeed("cp", "busy:/tmp/link", str(scratch / "as-link"))
    machine.succeed("cp", "-L", "busy:/tmp/link", str(scratch / "followed"))
    assert (scratch / "as-link").readlink() == Path("file")
    assert (scratch / "followed").read_text() == "hello\n"

    archive = pipe(machine, "cp", "busy:/memory/tree", "-")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert opened.getnames() == ["tree", "tree/file", "tree/link", "tree/sub"]
    pipe(machine, "cp", "-", "still:/root", stdin=archive)
    assert pipe(machine, "cp", "still:/root/tree/file", "-").count(b"hello\n") == 1
    for words, told_error in (
        (("busy:/nope", str(scratch)), "/nope does not exist in the container"),
        ((f"{tree}/file", "busy:/nope/"), "/nope/ does not exist"),
        ((tree, "busy:/etc/passwd"), "is a file: a directory can't be copied to it"),
        ((f"{tree}/none", "busy:/"), "none does not exist"),
        (("busy:/", "still:/"), "between two containers"),
        ((tree, str(scratch)), "write CONTAINER:PATH"),
        (("nobody:/", str(scratch)), "nobody does not exist"),
    ):
        answer = machine.hold("cp", *words)
        assert (answer.returncode, told_error in answer.stderr) == (1, True), answer.stderr
    machine.succeed("rm", "-f", "busy", "still")
    machine.succeed("volume", "rm", "cp-data")


def test_what_a_container_changed_becomes_an_image(machine: Machine, scratch: Path) -> None:
    machine.succeed("run", "-d", "--name", "source", "-e", "A=1", IMAGE, "sleep", "1000")
    machine.succeed("exec", "source", "sh", "-c", "rm -r /www; echo new >/etc/new; chown 5:6 /etc/new")
    changes = "C /etc\nA /etc/new\nD /www\n"
    assert machine.succeed("container", "diff", "source") == changes
    assert machine.succeed("diff", "source") == changes
    options = ("-a", "me", "-m", "why", "-c", "CMD cat /etc/new", "-c", "ENV B=2")
    image_id = machine.succeed("commit", *options, "source", "made:2").strip()
    assert machine.read_status("source")["phase"] == "Running"
    assert machine.succeed("run", "--rm", "made:2") == "new\n"
    shown = machine.succeed("run", "--rm", "made:2", "sh", "-c", "echo $A$B; ls -ln /etc/new; test ! -e /www")
    assert shown.split()[:5] == ["12", "-rw-r--r--", "1", "5", "6"]
    status = machine.get("image", "made:2")["status"]
    assert (status["id"], len(status["layers"])) == (image_id, 2)
    assert "why" in machine.succeed("image", "history", "made:2")

    machine.succeed("export", "-o", str(scratch / "all.tar"), "source")
    with tarfile.open(scratch / "all.tar") as opened:
        names = set(opened.getnames())
    assert {"etc/new", "bin/busybox", "proc"} <= names
    assert "www" not in names
    assert machine.hold("export", "-o", str(scratch / "no.tar"), "nobody").returncode == 1
    assert not (scratch / "no.tar").exists()
    machine.succeed("rm", "-f", "source")
    machine.succeed("rmi", "made:2")


@pytest.fixture
def pair(machine: Machine) -> None:
    """One container that runs, one that does not."""
    label = ("-l", "tier=front")
    machine.succeed("run", "-d", "--name", "seen", "-p", "8099:80/udp", *label, IMAGE, "sleep", "1000")
    assert machine.hold("run", "--name", "ended", IMAGE, "sh", "-c", "echo x >/made; exit 3").returncode == 3


def test_what_containers_are_and_use(machine: Machine, pair: None) -> None:
    del pair
    assert machine.succeed("port", "seen") == "80/udp -> 0.0.0.0:8099\n"
    assert (
        machine.hold("port", "seen", "80").stderr == "hold: port 80/tcp of container seen is not published\n"
    )
    rows = machine.succeed("top", "seen", "-o", "pid,comm").splitlines()
    assert rows[1].split() == [str(machine.read_pid("seen")), "sleep"]
    form = "{{.Name}} {{.PIDs}} {{.NetIO}}"
    lines = machine.succeed("stats", "--no-stream", "-a", "--format", form).splitlines()
    assert lines[0] == "ended -- --"
    assert lines[1].startswith("seen 1 ")

    def ps(*words: str) -> list[str]:
        return machine.succeed("ps", "--format", "{{.Names}}", *words).split()

    assert (ps(), ps("-a"), ps("-l")) == (["seen"], ["ended", "seen"], ["ended"])
    for words, names in (
        ("exited=3", ["ended"]), ("status=running", ["seen"]), ("label=tier=front", ["seen"]),
        ("publish=8099/udp", ["seen"]), (f"ancestor={IMAGE}", ["ended", "seen"]), ("since=seen", ["ended"]),
        ("before=ended", ["seen"]), ("name=^en", ["ended"]), ("volume=none", []),
    ):  # fmt: skip
        assert ps("-a", "--filter", words) == names, words
    (row,) = machine.succeed("ps", "-as", "--filter", "name=ended", "--format", "json").splitlines()
    assert json.loads(row)["Size"].startswith("2B (virtual ")
    assert json.loads(row)["Status"].startswith("Exited (3) ")
    machine.succeed("rm", "-f", "seen", "ended")
