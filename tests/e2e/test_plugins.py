"""A container with a volume and a network that plugins make: plugins come, go and say no while it runs."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import running_machine
from tests.machine import Machine, fetch, wait_for

_ROOT_PATH = Path(__file__).parents[2]


@dataclass(slots=True)
class PluginProcess:
    """An example plugin, as a program of others."""

    module: str
    socket_path: Path
    directory_path: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def start(self) -> None:
        command = [sys.executable, "-m", f"tests.plugins.{self.module}"]
        arguments = [str(self.socket_path), str(self.directory_path)]
        self.process = subprocess.Popen([*command, *arguments], cwd=_ROOT_PATH)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def list_files(self, pattern: str) -> list[str]:
        """Return what the plugin keeps on disk."""
        return sorted(path.name for path in self.directory_path.glob(pattern))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose daemon does not wait long for plugins."""
    with running_machine(tmp_path_factory.mktemp("machine"), "--plugin-timeout", "2s") as running:
        yield running


@pytest.fixture
def shelf(machine: Machine, tmp_path: Path) -> Iterator[PluginProcess]:
    """A driver of volumes, not started."""
    plugin = PluginProcess("volume_driver", machine.run_path / "plugins/shelf.sock", tmp_path / "shelf")
    yield plugin
    plugin.kill()


@pytest.fixture
def wires(machine: Machine, tmp_path: Path) -> Iterator[PluginProcess]:
    """A driver of networks, not started."""
    plugin = PluginProcess("network_driver", machine.run_path / "plugins/wires.sock", tmp_path / "wires")
    yield plugin
    plugin.kill()


def _tell(machine: Machine, kind: str, name: str) -> str:
    """Return what Ready of an object has to say: its status, reason and message."""
    conditions = machine.get(kind, name).get("status", {}).get("conditions", [])
    found: dict[str, str] = next((each for each in conditions if each["type"] == "Ready"), {})
    return f"{found.get('status', '')} {found.get('reason', '')}: {found.get('message', '')}"


def _wait_for(machine: Machine, kind: str, name: str, text: str) -> None:
    wait_for(
        lambda: text in _tell(machine, kind, name), f"{kind} {name}: {text}, {_tell(machine, kind, name)}"
    )


def test_a_container_lives_on_plugins(machine: Machine, shelf: PluginProcess, wires: PluginProcess) -> None:
    _begin(machine, shelf, wires)
    _lose_plugins(machine, shelf, wires)
    _stop_answering(machine, shelf)
    _refuse(machine)
    _end(machine, shelf, wires)


def _begin(machine: Machine, shelf: PluginProcess, wires: PluginProcess) -> None:
    """Declare everything before there is a plugin."""
    machine.succeed("apply", "-f", "-", stdin=_WAITING)
    _wait_for(machine, "volume", "books", f"there is no socket {shelf.socket_path}: start the plugin")
    _wait_for(machine, "network", "loom", f"there is no socket {wires.socket_path}: start the plugin")
    shelf.start()
    wires.start()
    _wait_for(machine, "container", "reader", "True")
    wait_for(lambda: fetch(80, "10.95.0.9"), "the container on the plugin's network")
    machine.succeed("exec", "reader", "sh", "-c", "echo moby > /books/dick")
    assert shelf.list_files("*/data/dick") == ["dick"]
    assert "default via 10.95.0.1 dev eth0" in machine.succeed("exec", "reader", "ip", "route")


def _lose_plugins(machine: Machine, shelf: PluginProcess, wires: PluginProcess) -> None:
    """Kill both, and the daemon: what they made goes on, and what is missing comes when they are back."""
    pid = machine.read_pid("reader")
    shelf.kill()
    wires.kill()
    _wait_for(machine, "volume", "books", "nobody answers at")
    _wait_for(machine, "network", "loom", "nobody answers at")
    assert fetch(80, "10.95.0.9")
    machine.kill_daemon()
    machine.start_daemon()
    _wait_for(machine, "volume", "books", "nobody answers at")
    inside = ["nsenter", "-t", str(pid), "-n", "ip", "link", "delete", "eth0"]
    subprocess.run(inside, check=True)
    machine.succeed("apply", "-f", "-", stdin=_SECOND)
    _wait_for(machine, "container", "writer", "WaitingForVolumes")
    wires.start()
    shelf.start()
    wait_for(lambda: fetch(80, "10.95.0.9"), "the container after its link came back")
    _wait_for(machine, "container", "writer", "True")
    assert machine.succeed("exec", "writer", "cat", "/books/dick") == "moby\n"
    assert machine.read_pid("reader") == pid


def _stop_answering(machine: Machine, shelf: PluginProcess) -> None:
    """Let one be silent: that holds up nobody else."""
    assert shelf.process is not None
    shelf.process.send_signal(signal.SIGSTOP)
    machine.hold("volume", "create", "-d", "shelf", "late")
    _wait_for(machine, "volume", "books", "does not answer within 2 s")
    machine.succeed("volume", "create", "plain")
    machine.succeed("wait", "--for=condition=Ready", "volume/plain", "--timeout=20s")
    shelf.process.send_signal(signal.SIGCONT)
    _wait_for(machine, "volume", "books", "True")


def _refuse(machine: Machine) -> None:
    """Ask for what they do not do: it is told in their own words."""
    machine.hold("volume", "create", "-d", "shelf", "-o", "color=blue", "blue")
    _wait_for(machine, "volume", "blue", "option 'color' is not known: use mode")
    machine.hold("network", "create", "-d", "shelf", "--subnet", "10.96.0.0/24", "mistaken")
    _wait_for(machine, "network", "mistaken", "plugin shelf makes no networks: name another driver")


def _lose_for_good(machine: Machine, shelf: PluginProcess) -> None:
    """Delete what a plugin keeps that never comes back."""
    machine.succeed("volume", "create", "-d", "shelf", "lost")
    machine.succeed("wait", "--for=condition=Ready", "volume/lost")
    shelf.kill()
    refused = machine.hold("volume", "rm", "lost")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nobody answers at" in refused.stderr
    assert "--force deletes it without plugin shelf" in refused.stderr
    forced = machine.hold("volume", "rm", "--force", "lost")
    assert (forced.returncode, forced.stdout) == (0, "lost\n")
    assert "the volume went without plugin shelf" in forced.stderr
    assert shelf.list_files("*/told") == ["told"]


def _end(machine: Machine, shelf: PluginProcess, wires: PluginProcess) -> None:
    machine.succeed("delete", "container", "reader", "writer", "--grace-period", "0")
    wait_for(lambda: shelf.list_files("*/mounted") == [], "the plugin's own unmount")
    machine.succeed("volume", "rm", "books", "blue", "late", "plain")
    assert shelf.list_files("*/told") == []
    _lose_for_good(machine, shelf)
    machine.succeed("network", "rm", "loom", "mistaken")

    assert wires.list_files("*/told") == []
    assert (
        " xb" not in subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    )


_WAITING = """
apiVersion: hold/v1
kind: Volume
metadata: {name: books}
spec: {driver: shelf, driverOptions: {mode: "750"}}
---
apiVersion: hold/v1
kind: Network
metadata: {name: loom}
spec: {driver: wires, subnets: [10.95.0.0/24]}
---
apiVersion: hold/v1
kind: Container
metadata: {name: reader}
spec:
  image: box:1
  command: [httpd, -f, -p, "80", -h, /www]
  networks: [{name: loom, ipv4: 10.95.0.9}]
  mounts: ["books:/books"]
  restart: always
"""

_SECOND = """
apiVersion: hold/v1
kind: Container
metadata: {name: writer}
spec:
  image: box:1
  command: [sleep, "1000"]
  mounts: ["books:/books"]
"""
