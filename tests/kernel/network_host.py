"""A test host with bridges, containers' namespaces without processes, rules; and machines to talk from."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from controller.kernel.threads import run_in_netns
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.ports import PortMapping
from controller.model.wants import BridgeWant, FirewallNetwork, FirewallPort, FirewallWant
from controller.plan.firewall import render_firewall
from tests.contract.network import INSTANCE, LinuxPorts, derive_want, linux_network

SILENCE_S = 0.4
"""How long no answer counts as none."""
PATIENCE_S = 20.0

SHOP = BridgeWant(network=Uid("a" * 32), name="hold-shop", address="10.77.0.1/24")
BACK = BridgeWant(network=Uid("b" * 32), name="hold-back", address="10.78.0.1/24")
CLOSED = BridgeWant(network=Uid("c" * 32), name="hold-closed", address="10.79.0.1/24")
WEB, CALLER, STRANGER, HERMIT = (Uid(digit * 32) for digit in "1234")
PLACES = {
    WEB: (SHOP, "10.77.0.2/24"),
    CALLER: (SHOP, "10.77.0.3/24"),
    STRANGER: (BACK, "10.78.0.2/24"),
    HERMIT: (CLOSED, "10.79.0.2/24"),
}


def describe_network(bridge: BridgeWant) -> FirewallNetwork:
    """Return what the rules must know of a bridge; CLOSED is internal."""
    gateway = bridge.address.partition("/")[0]
    subnet = gateway.removesuffix("1") + "0/24"
    return FirewallNetwork(bridge=bridge.name, subnet=subnet, gateway=gateway, internal=bridge is CLOSED)


def publish(host_port: int, *, host_ip: str = "", protocol: str = "tcp") -> FirewallPort:
    """Return a port of the host that leads to port 80 of WEB."""
    mapping = PortMapping.model_validate(
        {"hostIP": host_ip, "hostPort": host_port, "containerPort": 80, "protocol": protocol}
    )
    return FirewallPort(mapping=mapping, bridge=SHOP.name, address="10.77.0.2")


def render_rules(*published: FirewallPort) -> FirewallWant:
    """Return the rules of all networks and these ports."""
    networks = [describe_network(bridge) for bridge in (SHOP, BACK, CLOSED)]
    return render_firewall(networks, published, instance=INSTANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkHost:
    """WEB and CALLER on SHOP, STRANGER on BACK, HERMIT on the internal CLOSED."""

    ports: LinuxPorts

    @property
    def layout(self) -> Layout:
        return self.ports.layout

    async def restore(self) -> None:
        """Make bridges, namespaces, links, those that are missing or differ."""
        for bridge in (SHOP, BACK, CLOSED):
            await self.ports.bridges.ensure(bridge)
        for uid, (bridge, address) in PLACES.items():
            await self.ports.namespaces.ensure(uid)
            want = derive_want(uid, bridge, address)
            await self.ports.attachments.ensure(want if bridge is not CLOSED else replace(want, gateway=""))

    async def publish(self, *published: FirewallPort) -> None:
        """Install the rules of all networks and these ports."""
        await self.ports.firewall.replace(render_rules(*published))

    async def set_apart(self, bridge: BridgeWant, *published: FirewallPort) -> None:
        """Keep the containers on a bridge apart, and install all rules."""
        for uid, (place, address) in PLACES.items():
            if place is bridge:
                want = replace(derive_want(uid, bridge, address), isolated=True)
                await self.ports.attachments.ensure(want)
        networks = [
            replace(describe_network(each), inter_container=each is not bridge)
            for each in (SHOP, BACK, CLOSED)
        ]
        await self.ports.firewall.replace(render_firewall(networks, published, instance=INSTANCE))

    def open_socket(self, uid: Uid, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a socket of a container."""
        return run_in_netns(self.layout.netns_path(uid), lambda: socket.socket(socket.AF_INET, kind))

    def enter(self, uid: Uid, script: str) -> None:
        """Run a shell script in a container's namespace."""
        run("nsenter", f"--net={self.layout.netns_path(uid)}", "sh", "-ec", script)

    @contextlib.contextmanager
    def serving(
        self, uid: Uid, kind: socket.SocketKind = socket.SOCK_STREAM, *, port: int = 80
    ) -> Iterator[None]:
        """Let a container tell everybody who asks which address it sees them under."""
        with serving(self.open_socket(uid, kind), ("0.0.0.0", port)):
            yield


@contextlib.contextmanager
def serving(endpoint: socket.socket, address: tuple[str, int]) -> Iterator[None]:
    """Tell everybody who asks at `address` which address they are seen under."""
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    endpoint.bind(address)
    if endpoint.type == socket.SOCK_STREAM:
        endpoint.listen()
    endpoint.settimeout(0.05)
    ended = threading.Event()
    thread = threading.Thread(target=_answer, args=(endpoint, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        endpoint.close()


def _answer(endpoint: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            if endpoint.type == socket.SOCK_STREAM:
                connection, sender = endpoint.accept()
                connection.sendall(sender[0].encode())
                connection.close()
            else:
                _, sender = endpoint.recvfrom(512)
                endpoint.sendto(sender[0].encode(), sender)


def ask(client: socket.socket, host: str, port: int, *, patience_s: float = PATIENCE_S) -> str:
    """Return what a server answers, empty when nothing does in time; closes the socket."""
    with client:
        client.settimeout(patience_s)
        try:
            client.connect((host, port))
            client.send(b"?")
            return client.recv(512).decode()
        except OSError:
            return ""


def run(*command: str) -> None:
    """Run a program of the host that has to succeed."""
    subprocess.run(command, check=True)


def own_socket(kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket of the host."""
    return socket.socket(socket.AF_INET, kind)


@asynccontextmanager
async def network_host(directory: Path) -> AsyncIterator[NetworkHost]:
    """Bridges and containers, without rules yet."""
    async with linux_network(directory) as ports:
        host = NetworkHost(ports=ports)
        await host.restore()
        yield host
