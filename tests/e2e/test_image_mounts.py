"""Images mounted in containers of other images: never written to, as long as anybody needs them."""

from tests.e2e.conftest import IMAGE
from tests.machine import Machine

_MOUNT = "type=image,source=tools:1,target=/tools"
_LOOK = "cat /tools/data/sub/b; touch /tools/x 2>/dev/null; echo $?"


def _make_tools(machine: Machine, script: str) -> None:
    machine.succeed("run", "--name", "maker", IMAGE, "sh", "-c", script)
    machine.succeed("commit", "maker", "tools:1")
    machine.succeed("rm", "maker")


def test_an_image_is_mounted_for_reading(machine: Machine) -> None:
    _make_tools(
        machine, "mkdir -p /data/sub; echo one >/data/a; echo two >/data/sub/b; ln -s /etc/passwd /data/l"
    )
    for flags, script, said in (
        (("--mount", _MOUNT), _LOOK, "two\n1\n"),
        (("--mount", f"{_MOUNT},image-subpath=data/sub"), "ls /tools; touch /tools/x 2>&1 | wc -l", "b\n1\n"),
        (("--mount", f"{_MOUNT},image-subpath=data/a"), "cat /tools", "one\n"),
        # No link of the image leads out of it.
        (("--mount", f"{_MOUNT},image-subpath=data/l"), "cmp /tools /etc/passwd && echo same", "same\n"),
        (("--mount", f"type=image,src={IMAGE},dst=/one"), "touch /one/x 2>/dev/null; echo $?", "1\n"),
        (("--privileged", "--mount", f"type=image,src={IMAGE},dst=/one"), "touch /one/x 2>&1 | wc -l", "1\n"),
    ):
        assert machine.succeed("run", "--rm", *flags, IMAGE, "sh", "-c", script) == said, flags
    for mount, told in (
        (f"{_MOUNT},image-subpath=nosuch", "the image has no nosuch"),
        (f"{_MOUNT},image-subpath=../x", "inside the image without '..'"),
    ):
        answer = machine.hold("run", "--rm", "--mount", mount, IMAGE, "true")
        assert (answer.returncode, told in answer.stderr) == (125, True), answer
    machine.succeed("rmi", "tools:1")


def test_an_image_stays_while_it_is_mounted(machine: Machine) -> None:
    _make_tools(machine, "mkdir -p /data/sub; echo two >/data/sub/b")
    machine.succeed("run", "-d", "--name", "user", "--mount", _MOUNT, IMAGE, "sleep", "1000")
    refused = machine.hold("rmi", "-f", "tools:1")
    assert (refused.returncode, "is used by Container/user" in refused.stderr) == (1, True)
    _make_tools(machine, "mkdir -p /data/sub; echo three >/data/sub/b")  # the name is another image's by now
    machine.succeed("image", "prune", "-f")
    machine.kill_daemon()
    machine.start_daemon()
    machine.succeed("image", "prune", "-f")
    assert machine.succeed("exec", "user", "cat", "/tools/data/sub/b") == "two\n"
    assert (
        machine.succeed("run", "--rm", "--volumes-from", "user", IMAGE, "cat", "/tools/data/sub/b")
        == "three\n"
    )
    machine.succeed("restart", "-t", "0", "user")
    assert machine.succeed("exec", "user", "cat", "/tools/data/sub/b") == "three\n"
    mounts = machine.succeed("inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Source}} {{.RW}}{{end}}", "user")
    assert mounts.strip() == "image tools:1 false"
    machine.succeed("rm", "-f", "user")
    machine.succeed("rmi", "tools:1")
