"""Docker's verbs: what they print, and what they exit with."""

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import Machine, fetch, wait_for


def test_output_streams_and_exit_code_come_through(machine: Machine) -> None:
    answer = machine.hold("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (answer.returncode, answer.stdout, answer.stderr) == (7, "out\n", "err\n")


def test_standard_input_is_sent_to_its_end(machine: Machine) -> None:
    assert machine.hold("run", "-i", "--rm", IMAGE, "cat", stdin="one\ntwo\n").stdout == "one\ntwo\n"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((IMAGE, "nosuch"), 127, "not found"),
        ((IMAGE, "/etc/passwd"), 126, "permission denied"),
        (("--pull", "never", "nosuch:1", "true"), 125, "does not exist"),
        (("nosuch.invalid/x:1", "true"), 125, "can't be reached"),
        (("--bogus", IMAGE), 125, "--bogus"),
        (("-p", "99999:80", IMAGE), 125, "65535"),
        (("-v", "a:b:c", IMAGE), 125, "mount"),
        (("-m", "lots", IMAGE), 125, "is not a size"),
        (("--restart", "often", IMAGE, "true"), 125, "restart"),
        (("--network", "nosuch", IMAGE, "true"), 125, "nosuch"),
        (("--stop-signal", "SIGTREM", IMAGE, "true"), 125, "SIGTERM"),
    ],
)
def test_what_cannot_be_run_is_told_with_dockers_codes(
    machine: Machine, words: tuple[str, ...], code: int, told: str
) -> None:
    before = _list_containers(machine)  # some of them may be on their way out
    answer = machine.hold("run", "--rm", *words)
    assert (answer.returncode, told in answer.stderr) == (code, True), answer.stderr
    wait_for(lambda: _list_containers(machine) <= before, "nothing to be left")


def _list_containers(machine: Machine) -> set[str]:
    return set(machine.succeed("get", "containers", "-o", "name").split())


def test_a_container_through_its_life(machine: Machine) -> None:
    options = ("-e", "A=b", "-v", "data:/data", "-m", "64m", "--pids-limit", "50", "--restart", "always")
    uid = machine.succeed(
        "run", "-d", "--name", "life", "-p", "8091:80", *options, IMAGE, "httpd", "-f", "-h", "/www"
    ).strip()
    assert uid[:12] in machine.succeed("ps")
    wait_for(lambda: fetch(8091), "the server")
    answer = machine.hold("exec", "life", "sh", "-c", "echo $A; exit 3")
    assert (answer.returncode, answer.stdout) == (3, "b\n")
    assert machine.hold("exec", "-i", "life", "cat", stdin="hi").stdout == "hi"
    assert machine.hold("exec", "life", "nosuch").returncode == 127
    assert machine.hold("rm", "life").returncode == 1
    for verb, phase in (
        ("pause", "Paused"),
        ("unpause", "Running"),
        ("stop", "Exited"),
        ("start", "Running"),
    ):
        machine.succeed(verb, "life")
        assert machine.read_status("life")["phase"] == phase
    pid = machine.read_pid("life")
    machine.succeed("restart", "life")
    assert machine.read_pid("life") not in (0, pid)
    machine.succeed("kill", "life")
    wait_for(lambda: machine.read_status("life")["phase"] == "Exited", "the end")
    assert "Exited (137)" in machine.succeed("ps", "-a")
    machine.succeed("rm", "life")
    assert machine.hold("inspect", "life").returncode == 1
    machine.succeed("volume", "rm", "data")


def test_a_taken_name_and_a_taken_port_are_told(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "first", "-p", "8092:80", IMAGE, "sleep", "1000")
    name = machine.hold("run", "-d", "--name", "first", IMAGE, "true")
    port = machine.hold("run", "-d", "--name", "second", "-p", "8092:80", IMAGE, "true")
    assert (name.returncode, port.returncode) == (125, 125)
    assert "in use" in name.stderr
    assert "taken by Container/first" in port.stderr
    machine.succeed("rm", "-f", "first")


def test_logs_are_kept_apart_and_can_be_cut(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "talker", IMAGE, "sh", "-c", "echo 1; echo 2 >&2; echo 3")
    wait_for(lambda: machine.read_status("talker")["phase"] == "Exited", "the end")
    answer = machine.hold("logs", "talker")
    assert (answer.stdout, answer.stderr) == ("1\n3\n", "2\n")
    last = machine.hold("logs", "-n", "1", "talker")  # which stream is read first is left to chance
    assert (last.stdout, last.stderr) in (("3\n", ""), ("", "2\n"))
    machine.succeed("rm", "talker")


def test_an_exit_follows_the_restart_policy(machine: Machine) -> None:
    machine.succeed(
        "run", "-d", "--name", "failing", "--restart", "on-failure:2", IMAGE, "sh", "-c", "exit 4"
    )
    wait_for(
        lambda: (
            (status := machine.read_status("failing"))["phase"] == "Exited" and status.get("restarts") == 2
        ),
        "two restarts",
    )
    assert machine.read_status("failing")["exitCode"] == 4
    machine.succeed("rm", "failing")


def test_a_directory_of_the_host_is_a_root_that_is_never_written_to(machine: Machine) -> None:
    root = machine.make_image_root()
    answer = machine.succeed("run", "--rm", "--rootfs", str(root), "sh", "-c", "echo x > /new; cat /new")
    assert answer == "x\n"
    assert not (root / "new").exists()


def test_short_lives_keep_their_exit_code(machine: Machine) -> None:
    """An end that is looked at just while it is being recorded must not look like one whose code is lost."""
    codes = [
        machine.hold("run", "--rm", "--network", "none", IMAGE, "sh", "-c", "exit 3").returncode
        for _ in range(30)
    ]
    assert codes == [3] * 30
