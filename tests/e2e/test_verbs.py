"""Verbs that start and end containers, as Docker's users know them."""

import os
import pty
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for

TRAP = "trap 'echo int; exit 4' INT; trap 'echo term' TERM; echo ready; while :; do sleep 0.05; done"


def test_one_end_may_have_its_own_signal_and_time(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "trap", "--stop-timeout", "1", IMAGE, "sh", "-c", TRAP)
    wait_for(lambda: "ready" in machine.succeed("logs", "trap"), "the traps")
    before = machine.get("container", "trap")
    machine.succeed("restart", "-s", "INT", "-t", "60", "trap")
    wait_for(lambda: machine.succeed("logs", "trap").count("ready") == 2, "the second run")
    assert "int" in machine.succeed("logs", "trap")

    slow = subprocess.Popen([PROGRAM, "stop", "-t", "600", "trap"], env=machine.environment)
    wait_for(lambda: "term" in machine.succeed("logs", "trap"), "the stop signal")
    started = time.monotonic()
    wait_for(lambda: time.monotonic() - started > 1.5, "the container's own grace period to be over")
    assert slow.poll() is None
    assert machine.read_status("trap")["phase"] == "Stopping"
    machine.succeed("stop", "-t", "0", "trap")
    assert slow.wait(timeout=60) == 0
    after = machine.get("container", "trap")
    assert after["status"]["exitCode"] == 137
    assert after["spec"]["stopGracePeriod"] == before["spec"]["stopGracePeriod"] == 1

    machine.succeed("start", "trap")
    wait_for(lambda: machine.succeed("logs", "trap").count("ready") == 3, "the third run")
    machine.succeed("stop", "-s", "SIGINT", "trap")
    assert machine.read_status("trap")["exitCode"] == 4
    machine.succeed("container", "rm", "trap")


def test_a_start_can_be_gone_along_with(machine: Machine) -> None:
    machine.succeed(
        "create", "--name", "along", "-i", IMAGE, "sh", "-c", "echo first; cat; echo last >&2; exit 5"
    )
    answer = machine.hold("start", "-i", "along", stdin="typed\n")
    assert (answer.returncode, answer.stdout, answer.stderr) == (5, "first\ntyped\n", "last\n")
    assert machine.hold("start", "-a", "along", "other").returncode == 1
    machine.succeed("run", "-d", "--name", "idle", IMAGE, "sleep", "1000")
    machine.succeed("container", "prune", "--force", "--filter", "label=none")
    assert "along" in machine.succeed("ps", "-a")
    pruned = machine.succeed("container", "prune", "--force")
    assert pruned.startswith("Deleted Containers:\n")
    assert machine.succeed("ps", "-a", "--format", "{{.Names}}") == "idle\n"
    assert machine.hold("attach", "--detach-keys", "what", "idle").returncode == 1
    machine.succeed("rm", "--force=true", "idle")


def test_a_run_shows_the_streams_that_are_asked_for(machine: Machine, scratch: Path) -> None:
    words = ("run", "-a", "stderr", "--name", "streams", "--cidfile", str(scratch / "id"), IMAGE)
    answer = machine.hold(*words, "sh", "-c", "echo out; echo err >&2")
    assert (answer.stdout, answer.stderr) == ("", "err\n")
    assert machine.get("container", "streams")["metadata"]["uid"] == (scratch / "id").read_text()
    assert "is there already" in machine.hold(*words, "true").stderr
    assert machine.hold("rm", "streams").returncode == 0


def test_going_along_ends_with_the_first_process(machine: Machine) -> None:
    """Also when the restart policy starts another one, as with Docker."""
    words = (
        "run",
        "--name",
        "again",
        "--restart",
        "always",
        IMAGE,
        "sh",
        "-c",
        "echo once; sleep 0.2; exit 6",
    )
    answer = machine.hold(*words)
    assert (answer.returncode, answer.stdout) == (6, "once\n")
    assert machine.hold("start", "-a", "again").returncode == 6
    assert machine.succeed("wait", "again") == "6\n"
    machine.succeed("rm", "-f", "again")


def test_keys_of_ones_own_leave_a_container(machine: Machine) -> None:
    words = ["run", "-it", "--name", "keys", "--detach-keys", "ctrl-x,y", IMAGE, "cat"]
    code, shown = _type(machine, words, b"hi\n", b"hi\r\nhi\r\n", b"\x18y")
    assert (code, machine.read_status("keys")["phase"]) == (0, "Running")
    assert b"hi\r\nhi\r\n" in shown
    machine.succeed("rm", "-f", "keys")


def _type(
    machine: Machine, words: Sequence[str], typed: bytes, awaited: bytes, last: bytes
) -> tuple[int, bytes]:
    """Type at a command's terminal, the last keys once it has shown what is awaited; return its code and output."""
    person_fd, program_fd = pty.openpty()
    command = subprocess.Popen(
        [PROGRAM, *words], env=machine.environment, stdin=program_fd, stdout=program_fd, stderr=program_fd
    )
    os.close(program_fd)
    shown = bytearray()
    reader = threading.Thread(target=_read_all, args=(person_fd, shown), daemon=True)
    reader.start()
    wait_for(lambda: machine.read_status(words[3]).get("phase") == "Running", "the container")
    os.write(person_fd, typed)
    wait_for(lambda: awaited in shown, "the echo")
    os.write(person_fd, last)
    code = command.wait(timeout=60)
    reader.join(timeout=20)
    os.close(person_fd)
    return code, bytes(shown)


def _read_all(fd: int, shown: bytearray) -> None:
    try:
        while data := os.read(fd, 4096):
            shown += data
    except OSError:
        return


def test_what_a_start_waits_for_is_told(machine: Machine, scratch: Path) -> None:
    manifest = scratch / "pair.yaml"
    manifest.write_text(
        "apiVersion: hold/v1\nkind: Container\nmetadata: {name: db}\n"
        f"spec: {{image: {IMAGE}, command: [sleep, '1000'], desired: stopped}}\n---\n"
        "apiVersion: hold/v1\nkind: Container\nmetadata: {name: app}\n"
        f"spec: {{image: {IMAGE}, command: [sleep, '1000'], desired: stopped, dependsOn: [db]}}\n"
    )
    machine.succeed("apply", "-f", str(manifest))
    told_path = scratch / "told"
    with told_path.open("w") as told:
        waiting = subprocess.Popen([PROGRAM, "start", "app"], env=machine.environment, stderr=told)
    wait_for(
        lambda: "app waits for the containers that it depends on" in told_path.read_text(), "the message"
    )
    machine.succeed("start", "db")
    assert waiting.wait(timeout=60) == 0
    assert machine.read_status("app")["phase"] == "Running"
    machine.succeed("delete", "-f", str(manifest), "--grace-period", "0")


def test_a_running_container_gets_another_name(machine: Machine) -> None:
    machine.succeed("network", "create", "names")
    machine.succeed("run", "-d", "--name", "old", "--network", "names", IMAGE, "sleep", "1000")
    machine.succeed("run", "-d", "--name", "asker", "--network", "names", IMAGE, "sleep", "1000")
    pid = machine.read_pid("old")
    machine.succeed("rename", "old", "new")
    assert machine.read_pid("new") == pid
    assert machine.hold("rename", "asker", "new").returncode == 1
    assert machine.succeed("exec", "new", "echo", "here") == "here\n"
    wait_for(lambda: machine.hold("exec", "asker", "nslookup", "new").returncode == 0, "the new name")
    assert machine.hold("exec", "asker", "nslookup", "old").returncode != 0
    machine.succeed("run", "-d", "--name", "old", IMAGE, "sleep", "1000")
    machine.succeed("restart", "-t", "0", "new")
    assert machine.read_pid("new") not in (0, pid)
    machine.succeed("rm", "-f", "new", "old", "asker")
    machine.succeed("network", "rm", "names")
