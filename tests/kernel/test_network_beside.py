"""Beside other programs that keep the host's firewall: firewalld and ufw, as Debian has them, and their reloads."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.model.wants import FirewallPort
from tests.kernel.network_host import CALLER, SHOP, WEB, NetworkHost, ask, publish, run, serving
from tests.machine import wait_for
from tests.testhost.peer import Peer

_PORT = 8080


@contextmanager
def _own_copy(path: str, copy_path: Path) -> Iterator[None]:
    """Let a directory of the machine's be a copy for as long."""
    run("cp", "-a", f"{path}/.", str(copy_path))
    run("mount", "--bind", str(copy_path), path)
    try:
        yield
    finally:
        run("umount", path)


@pytest.fixture
def firewalld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The real firewalld, with a message bus and settings of its own."""
    if shutil.which("firewalld") is None or shutil.which("dbus-daemon") is None:
        pytest.skip("firewalld is not installed: make test-guards")
    with _own_copy("/etc/firewalld", tmp_path_factory.mktemp("firewalld")), _running_firewalld():
        yield


@contextmanager
def _running_firewalld() -> Iterator[None]:
    Path("/run/dbus").mkdir(exist_ok=True)
    bus = subprocess.Popen(["dbus-daemon", "--system", "--nofork", "--nopidfile"])
    wait_for(Path("/run/dbus/system_bus_socket").exists, "the message bus")
    command = ["firewalld", "--nofork", "--nopid", "--log-target=console"]
    guard = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(_is_guarded, "firewalld")
        yield
    finally:
        guard.terminate()
        guard.wait()
        bus.terminate()
        bus.wait()
        Path("/run/dbus/system_bus_socket").unlink(missing_ok=True)


def _is_guarded() -> bool:
    return subprocess.run(["firewall-cmd", "--state"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def ufw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The real ufw with what Debian denies by default: what comes in, and what is routed."""
    if shutil.which("ufw") is None:
        pytest.skip("ufw is not installed: make test-guards")
    with _own_copy("/etc/ufw", tmp_path_factory.mktemp("ufw")):
        run("ufw", "--force", "enable")
        try:
            yield
        finally:
            run("ufw", "--force", "disable")


async def _check_traffic(network: NetworkHost, peer: Peer) -> None:
    """A published port is reached by another machine, another machine by a container, names by containers."""
    with network.serving(WEB):
        assert ask(peer.socket(), peer.host_address, _PORT) == peer.address
        assert ask(network.open_socket(CALLER), "10.77.0.2", 80) == "10.77.0.3"
    with serving(peer.socket(), (peer.address, 80)):
        assert ask(network.open_socket(CALLER), peer.address, 80) == peer.host_address


async def _put_back(network: NetworkHost, *ports: FirewallPort) -> None:
    """Look at the rules, and install what is missing, as the daemon does when it is told of a change."""
    if not (await network.ports.firewall.read()).digest:
        await network.publish(*ports)


@pytest.mark.usefixtures("firewalld")
async def test_firewalld_and_its_reload(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(_PORT))
    with network.serving(WEB):
        assert ask(peer.socket(), peer.host_address, _PORT) == peer.address
    run("firewall-cmd", "--quiet", "--permanent", "--zone=trusted", f"--add-interface={SHOP.name}")
    run("firewall-cmd", "--quiet", "--reload")
    await _put_back(network, publish(_PORT))
    await _check_traffic(network, peer)
    run("firewall-cmd", "--quiet", "--reload")
    await _put_back(network, publish(_PORT))
    await _check_traffic(network, peer)
    run("firewall-cmd", "--quiet", "--complete-reload")
    await _put_back(network, publish(_PORT))
    await _check_traffic(network, peer)


@pytest.mark.usefixtures("ufw")
async def test_ufw_that_denies_what_is_routed(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(_PORT))
    await _check_traffic(network, peer)
    run("ufw", "reload")
    await _put_back(network, publish(_PORT))
    await _check_traffic(network, peer)


@pytest.mark.usefixtures("firewall_back_end")
@pytest.mark.parametrize("table", ["raw", "mangle", "nat", "filter"])
async def test_a_flushed_table(network: NetworkHost, peer: Peer, table: str) -> None:
    await network.publish(publish(_PORT))
    run("iptables", "-t", table, "-F")
    await _put_back(network, publish(_PORT))
    await _check_traffic(network, peer)
