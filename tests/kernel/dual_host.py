"""A test host with dual-stack networks: bridges, containers' namespaces without processes, rules."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from controller.kernel.threads import run_in_netns
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.ports import PortMapping
from controller.model.wants import AttachmentWant, BridgeWant, FirewallNetwork, FirewallPort
from controller.plan.firewall import render_firewall
from tests.contract.network import INSTANCE, LinuxPorts, derive_want, linux_network
from tests.kernel.network_host import serving

FRONT = BridgeWant(
    network=Uid("a" * 32), name="hold-front", address="10.77.0.1/24", ipv6_address="fd00:77::1/64"
)
BACK = BridgeWant(
    network=Uid("b" * 32), name="hold-back", address="10.78.0.1/24", ipv6_address="fd00:78::1/64"
)
CLOSED = BridgeWant(network=Uid("c" * 32), name="hold-closed", address="", ipv6_address="fd00:79::1/64")
WEB, CALLER, STRANGER, HERMIT = (Uid(digit * 32) for digit in "1234")
_PLACES = {WEB: (FRONT, 2), CALLER: (FRONT, 3), STRANGER: (BACK, 2), HERMIT: (CLOSED, 2)}


def derive_place(uid: Uid) -> AttachmentWant:
    """Return a container's link; that of HERMIT, on the internal CLOSED, has no IPv4 and no default route."""
    bridge, number = _PLACES[uid]
    address = bridge.address.replace(".1/", f".{number}/")
    want = replace(
        derive_want(uid, bridge, address),
        ipv6_address=bridge.ipv6_address.replace("::1/", f"::{number}/"),
        ipv6_gateway=bridge.ipv6_address.partition("/")[0],
    )
    return want if bridge is not CLOSED else replace(want, gateway="", ipv6_gateway="")


def publish(host_port: int, *, host_ip: str = "", protocol: str = "tcp") -> tuple[FirewallPort, ...]:
    """Return a port of the host that leads to port 80 of WEB, in both families where no address is named."""
    mapping = PortMapping.model_validate(
        {"hostIP": host_ip, "hostPort": host_port, "containerPort": 80, "protocol": protocol}
    )
    addresses = {4: "10.77.0.2", 6: "fd00:77::2"}
    return tuple(
        FirewallPort(mapping=mapping, bridge=FRONT.name, address=addresses[family])
        for family in (4, 6)
        if mapping.is_on(family)
    )


def _describe(bridge: BridgeWant, *, apart: bool) -> FirewallNetwork:
    gateway, ipv6_gateway = (text.partition("/")[0] for text in (bridge.address, bridge.ipv6_address))
    return FirewallNetwork(
        bridge=bridge.name,
        subnet=gateway and f"{gateway.removesuffix('1')}0/24",
        gateway=gateway,
        ipv6_subnet=f"{ipv6_gateway.removesuffix('1')}/64",
        ipv6_gateway=ipv6_gateway,
        internal=bridge is CLOSED,
        inter_container=not apart,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DualHost:
    """WEB and CALLER on FRONT, STRANGER on BACK, HERMIT on the internal CLOSED, which has IPv6 alone."""

    ports: LinuxPorts

    @property
    def layout(self) -> Layout:
        return self.ports.layout

    async def restore(self) -> None:
        """Make bridges, namespaces, links, those that are missing or differ."""
        for bridge in (FRONT, BACK, CLOSED):
            await self.ports.bridges.ensure(bridge)
        for uid in _PLACES:
            await self.ports.namespaces.ensure(uid)
            await self.ports.attachments.ensure(derive_place(uid))

    async def publish(self, *published: tuple[FirewallPort, ...], apart: bool = False) -> None:
        """Install the rules of all networks and these ports; `apart` keeps the containers on FRONT from one another."""
        for uid in (WEB, CALLER) if apart else ():
            await self.ports.attachments.ensure(replace(derive_place(uid), isolated=True))
        networks = [_describe(bridge, apart=apart and bridge is FRONT) for bridge in (FRONT, BACK, CLOSED)]
        ports = [port for pair in published for port in pair]
        await self.ports.firewall.replace(render_firewall(networks, ports, instance=INSTANCE))

    def open_socket(self, uid: Uid, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return an IPv6 socket of a container."""
        path = self.layout.netns_path(uid)
        return run_in_netns(path, lambda: socket.socket(socket.AF_INET6, kind))

    @contextlib.contextmanager
    def serving(self, uid: Uid, kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[None]:
        """Let port 80 of a container tell everybody who asks which address it sees them under."""
        with serving(self.open_socket(uid, kind), ("::", 80)):
            yield


def own_socket(kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return an IPv6 socket of the host."""
    return socket.socket(socket.AF_INET6, kind)


@asynccontextmanager
async def dual_host(directory: Path) -> AsyncIterator[DualHost]:
    """Bridges and containers, without rules yet."""
    async with linux_network(directory) as ports:
        host = DualHost(ports=ports)
        await host.restore()
        yield host
