"""Wrong options, combinations and states: one line with the cause and what to do, a condition, and nothing left behind."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for
from tests.testhost.inventory import read_inventory

_WITHOUT_IMAGE = """
kind: Image
metadata: {name: "none:1"}
spec: {source: {registry: "127.0.0.1:1/none:1"}}
---
kind: Container
metadata: {name: bare}
spec: {image: "none:1", desired: stopped}
"""
_REFUSED = (
    (("--network", "host", "-p", "80:80"), "remove one of the two"),
    (("--network", "container:nosuch"), "Container/nosuch does not exist"),
    (("--volumes-from", "nosuch"), "Container/nosuch does not exist"),
    (("--link", "nosuch"), "Container/nosuch does not exist"),
    (("--pid", "nosuch"), "container:NAME"),
    (("--sysctl", "kernel.pid_max=9999"), "set it on the host"),
    (("--cap-add", "NOSUCH"), "NOSUCH"),
    (("--restart", "always", "--rm"), "autoRemove"),
    (("--cgroup-parent", "/x"), "leave the flag out"),
    (("--env-file", "/nosuch"), "/nosuch can't be read"),
    (("--security-opt", "seccomp=/nosuch"), "/nosuch can't be read"),
    (("-v", "data:/m", "-v", "other:/m"), "two mounts with the same target"),
)
"""Flags that no container is made for, and what is told."""

_FAILING: tuple[tuple[tuple[str, ...], tuple[str, ...], int, str], ...] = (
    (("-u", "nosuch"), ("true",), 125, "name one that is, or a number"),
    (("--group-add", "nosuch"), ("true",), 125, "name one that is, or a number"),
    (("-w", "/etc/passwd"), ("true",), 125, "is not a directory: name another path"),
    ((), ("nosuch",), 127, "executable not found in the container"),
    ((), ("/etc/passwd",), 126, "make it executable (chmod +x)"),
    (("--device", "/nosuch"), ("true",), 125, "name one that is there"),
    (("--mount", "type=bind,source=/nosuch,target=/m"), ("true",), 125, "does not exist: make it"),
    (("-v", "/etc/passwd/x:/m"), ("true",), 125, "a part of it is not a directory: name another one"),
    (("-v", "/etc/passwd:/bin"), ("true",), 125, "one of them is a file, the other a directory"),
    (("--cpuset-cpus", "777"), ("true",), 125, "the host has 0"),
    (("--sysctl", "net.nosuch=1"), ("true",), 125, "leave the sysctl out"),
    (("--runtime", "/etc/passwd"), ("true",), 125, "name a program that is there"),
)
"""Flags and a program that can't be started, the exit code, and what is told."""


@pytest.fixture(scope="module")
def used(machine: Machine) -> Machine:
    """The machine after a first container, with which comes what stays."""
    machine.succeed("run", "--rm", IMAGE, "true")
    return machine


@pytest.mark.parametrize(("flags", "told"), _REFUSED, ids=lambda value: " ".join(value)[:30])
def test_what_is_refused_leaves_nothing(machine: Machine, flags: tuple[str, ...], told: str) -> None:
    answer = machine.hold("run", "--name", "wrong", *flags, IMAGE, "true")
    assert (answer.returncode, answer.stdout) == (125, "")
    assert told in answer.stderr
    assert machine.get("container", "wrong") == {}


@pytest.mark.parametrize(("flags", "program", "code", "told"), _FAILING, ids=lambda value: str(value)[:30])
def test_what_can_not_start_says_why(
    used: Machine, flags: tuple[str, ...], program: tuple[str, ...], code: int, told: str
) -> None:
    before = read_inventory()
    answer = used.hold("run", "--name", "wrong", *flags, IMAGE, *program)
    assert (answer.returncode, answer.stdout) == (code, ""), answer.stderr
    assert told in answer.stderr
    assert answer.stderr.count("\n") == 1
    status = used.read_status("wrong")
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (status["phase"], ready["status"]) == ("Failed", "False")
    assert told in ready["message"]
    used.succeed("rm", "wrong")
    # The kernel removes links with their namespace in its own time. Routes tell whether their link has a peer just now; none
    # is left without its link.
    wait_for(
        lambda: all(line.startswith("routes") for line in read_inventory().added_since(before)),
        "nothing of it to be left",
    )


def test_states_that_a_verb_does_not_fit(machine: Machine) -> None:
    machine.succeed("create", "--name", "still", IMAGE, "true")
    machine.succeed("run", "-d", "--name", "frozen", IMAGE, "sleep", "1000")
    machine.succeed("pause", "frozen")
    for words, told in (
        (("start", "gone"), "container gone does not exist"),
        (("exec", "still", "true"), "does not run: start it first"),
        (("attach", "still"), "does not run: start it first"),
        (("top", "still"), "does not run: start it first"),
        (("kill", "still"), "does not run"),
        (("pause", "still"), "not running"),
        (("unpause", "still"), "not paused"),
        (("start", "frozen"), "`hold unpause frozen`"),
        (("exec", "frozen", "true"), "`hold unpause frozen`"),
        (("attach", "frozen"), "`hold unpause frozen`"),
        (("rm", "frozen"), "stop it first, or remove it by force"),
        (("rename", "still", "frozen"), "use another name"),
        (("update", "still"), "say what to change"),
        (("wait", "-l", "no=such", "--for=condition=Ready", "container"), "no object is there"),
    ):
        answer = machine.hold(*words)
        assert (answer.returncode, answer.stdout) == (1, ""), words
        assert told in answer.stderr, words
        assert answer.stderr.count("\n") == 1, words
    machine.succeed("rm", "-f", "still", "frozen")


def test_a_start_that_keeps_failing_is_given_up(machine: Machine, scratch: Path) -> None:
    """Its root file system isn't there; what is made later does not start it behind the back of whoever gave up."""
    root_path = scratch / "root"
    why = f"{root_path} is not a directory"
    for name in ("still", "heard", "wanted"):
        machine.succeed("create", "--name", name, "--rootfs", str(root_path), "true")
    machine.succeed("apply", "-f", "-", stdin=_WITHOUT_IMAGE)
    lines = (
        (125, ("run", "--name", "hopeless", "--rootfs", str(root_path), "true")),
        (125, ("run", "--name", "brief", "--rm", "--rootfs", str(root_path), "true")),
        (125, ("run", "-d", "--name", "aside", "--rootfs", str(root_path), "true")),
        (1, ("start", "still")),
        (1, ("start", "-a", "heard")),
        (1, ("restart", "wanted")),
    )
    with ThreadPoolExecutor(max_workers=len(lines) + 1) as pool:
        bare = pool.submit(machine.hold, "start", "bare")
        answers = list(pool.map(lambda line: machine.hold(*line[1]), lines))
    assert (bare.result().returncode, bare.result().stdout) == (1, "")
    assert "127.0.0.1:1 can't be reached" in bare.result().stderr.splitlines()[-1]
    machine.succeed("rm", "bare")
    machine.succeed("delete", "image", "none:1")
    for (code, words), answer in zip(lines, answers, strict=True):
        assert (answer.returncode, answer.stdout) == (code, ""), words
        assert answer.stderr.splitlines()[-1].endswith(why), words
    for name in ("hopeless", "aside", "still", "heard"):
        found = machine.get("container", name)
        ready = next(each for each in found["status"]["conditions"] if each["type"] == "Ready")
        assert (found["spec"]["desired"], ready["status"]) == ("stopped", "False"), name
        assert why in ready["message"], name
    assert machine.get("container", "wanted")["spec"]["desired"] == "running"
    machine.succeed("wait", "--for=delete", "container/brief")
    machine.succeed("rm", "hopeless", "aside", "still", "heard")
    machine.succeed("rm", "-f", "wanted")


def test_an_edit_that_is_refused_says_why_and_keeps_the_text(machine: Machine) -> None:
    machine.succeed("create", "--name", "edited", IMAGE, "true")
    answer = subprocess.run(
        [PROGRAM, "edit", "container/edited"],
        env={**machine.environment, "EDITOR": "sed -i s/image:/imgae:/"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 1
    assert "spec.imgae: unknown field; did you mean image?" in answer.stderr
    kept_path = Path(answer.stderr.rpartition("your text is kept in ")[2].strip())
    assert "imgae: box:1" in kept_path.read_text()
    kept_path.unlink()
    machine.succeed("rm", "edited")
