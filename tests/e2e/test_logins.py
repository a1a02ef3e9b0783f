"""Whose login a pull has: the client's for what it asks for, the daemon's own for what is declared."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import running_machine
from tests.machine import wait_for
from tests.registries.debian import RegistryServer, running_registry
from tests.registries.layouts import make_image, write_layout

LOGIN = ("me", "secret words")
HELLO = "hello from a registry\n"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that wants a login, with shop:1 and shop:2."""
    busybox = {"bin/busybox": Path("/bin/busybox").read_bytes()}
    image = make_image([busybox], config={"Cmd": ["/bin/busybox", "echo", "hello from a registry"]})
    write_layout(tmp_path / "layout", {"hello": image})
    with running_registry(tmp_path / "guarded", login=LOGIN) as running:
        for tag in ("1", "2"):
            running.copy_in(f"oci:{tmp_path}/layout:hello", f"shop:{tag}")
        yield running


def test_logins_of_clients_and_the_daemons_own(guarded: RegistryServer, tmp_path: Path) -> None:
    name, declared = f"{guarded.name}/shop:1", f"{guarded.name}/shop:2"
    own, clients = tmp_path / "own", tmp_path / "clients"
    named = json.dumps({guarded.name: {}, "127.0.0.1:1": {}})
    options = ("--registry-logins", str(own / "config.json"), "--registries", named)
    with running_machine(tmp_path, *options) as machine:
        checks = [line.split() for line in machine.hold("doctor").stdout.splitlines() if " registry " in line]
        assert [check[0] for check in checks] == ["ok", "warning"], checks
        assert "refused" in checks[1]
        machine.environment["DOCKER_CONFIG"] = str(clients)
        refused = machine.hold("run", "--rm", name)
        assert (refused.returncode, "hold login" in refused.stderr) == (125, True), refused.stderr
        machine.succeed("login", "-u", LOGIN[0], "--password-stdin", guarded.name, stdin=LOGIN[1])
        assert machine.succeed("run", "-q", "--name", "kept", name) == HELLO
        manifest = {
            "kind": "Image",
            "metadata": {"name": declared},
            "spec": {"source": {"registry": declared}},
        }
        machine.succeed("apply", "-f", "-", stdin=json.dumps(manifest))
        wait_for(lambda: "hold login" in json.dumps(machine.get("image", declared)["status"]), "a refusal")

        machine.stop_daemon()
        shutil.copytree(clients, own)
        machine.start_daemon()
        machine.succeed("wait", "--for=condition=Ready", f"image/{declared}")
        assert machine.succeed("start", "-a", "kept") == HELLO
        assert machine.succeed("run", "--rm", "-q", "--pull", "always", name) == HELLO
        machine.succeed("logout", guarded.name)
        refused = machine.hold("run", "--rm", "--pull", "always", name)
        assert (refused.returncode, "hold login" in refused.stderr) == (125, True), refused.stderr
        assert LOGIN[1] not in machine.read_log()
