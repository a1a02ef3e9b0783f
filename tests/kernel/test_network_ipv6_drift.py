"""IPv6 of links, changed behind our back: it is heard, seen, mended; and what a host that forwards still hears."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from controller.kernel.network.host_settings import configure_host
from controller.model.names import derive_host_link
from controller.ports import Hint, HintType
from tests.kernel.dual_host import FRONT, WEB, DualHost, dual_host
from tests.kernel.network_host import PATIENCE_S, run
from tests.kernel.test_network_events import listening
from tests.machine import wait_for
from tests.testhost.peer import Peer, open_raw_socket

LINK = derive_host_link(WEB, FRONT.network)
ATTACHMENT = Hint(type=HintType.ATTACHMENT, subject=WEB)
BRIDGE = Hint(type=HintType.BRIDGE, subject=FRONT.network)
ADVERTISEMENT = bytes([134, 0, 0, 0, 64, 0, 0x07, 0x08, *bytes(8)])
"""A router advertisement of a default route for 1,800 seconds (RFC 4861, section 4.2)."""


@pytest.fixture
async def dual(tmp_path: Path) -> AsyncIterator[DualHost]:
    """Bridges and containers, without rules."""
    async with dual_host(tmp_path) as host:
        yield host


def on_host(script: str) -> Callable[[DualHost], None]:
    return lambda _host: run("sh", "-ec", script)


def inside(script: str) -> Callable[[DualHost], None]:
    return lambda host: run("nsenter", f"--net={host.ports.layout.netns_path(WEB)}", "sh", "-ec", script)


DAMAGES: tuple[tuple[Callable[[DualHost], None], Hint], ...] = (
    (on_host(f"ip -6 address flush dev {FRONT.name} scope global"), BRIDGE),
    (on_host(f"ip -6 route del fd00:77::/64 dev {FRONT.name}"), BRIDGE),
    (on_host(f"ip address add fd00:99::1/64 dev {FRONT.name}"), BRIDGE),
    (on_host(f"echo 1 > /proc/sys/net/ipv6/conf/{FRONT.name}/disable_ipv6"), BRIDGE),
    (on_host(f"ip link set {FRONT.name} down"), BRIDGE),
    (on_host(f"ip link del {FRONT.name}"), BRIDGE),
    (on_host(f"ip link del {LINK}"), ATTACHMENT),
    (inside("ip -6 address del fd00:77::2/64 dev eth0"), ATTACHMENT),
    (inside("ip -6 route del default"), ATTACHMENT),
    (inside("ip -6 route del fd00:77::/64"), ATTACHMENT),
    (inside("ip -6 route replace default via fd00:77::3"), ATTACHMENT),
    (inside("ip address add fd00:77::77/64 dev eth0"), ATTACHMENT),
    (inside("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6"), ATTACHMENT),
    (inside("ip link set eth0 down"), ATTACHMENT),
    (inside("ip link set eth0 down; ip link set eth0 name moved"), ATTACHMENT),
)


async def test_every_change_is_heard_and_mended(dual: DualHost) -> None:
    before = await read_facts(dual)
    async with listening(dual, WEB) as ear:
        for damage, hint in DAMAGES:
            ear.drain()
            await asyncio.to_thread(damage, dual)
            await ear.wait_for(hint)
            assert await read_facts(dual) != before
            await dual.restore()
            assert await read_facts(dual) == before
            ear.events.expect(WEB)


async def test_link_local_addresses_are_the_kernels_own(dual: DualHost) -> None:
    before = await read_facts(dual)
    inside("ip -6 address flush dev eth0 scope link; ip address add fe80::5/64 dev eth0")(dual)
    on_host(f"ip address add fe80::6/64 dev {FRONT.name}")(dual)
    assert await read_facts(dual) == before


async def read_facts(dual: DualHost) -> tuple[object, ...]:
    """Return all that the planners see."""
    return (
        sorted(await dual.ports.bridges.list(), key=str),
        sorted(await dual.ports.attachments.list(), key=str),
    )


def test_a_host_that_forwards_goes_on_hearing_its_router(peer: Peer) -> None:
    forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    before = forwarding.read_text()
    forwarding.write_text("0")
    try:
        peer.run("sysctl", "-qw", "net.ipv6.conf.eth0.forwarding=1")
        advertise(peer)
        wait_for(lambda: list_router_defaults(peer), "the router's default route", deadline_s=PATIENCE_S)
        configure_host("no-such-bridge", ipv4=False, ipv6=True)
        assert forwarding.read_text().strip() == "1"
        assert list_router_defaults(peer)
        assert Path(f"/proc/sys/net/ipv6/conf/{peer.host_link}/accept_ra").read_text().strip() == "2"
        assert Path("/proc/sys/net/ipv6/conf/lo/accept_ra").read_text().strip() == "1"
    finally:
        forwarding.write_text(before)


def list_router_defaults(peer: Peer) -> list[str]:
    """Return the default routes of the host that a router has told of on the peer's cable."""
    lines = Path("/proc/net/ipv6_route").read_text().splitlines()
    return [
        line for line in lines if line.split()[9] == peer.host_link and int(line.split()[8], 16) & 0x10000
    ]


def advertise(peer: Peer) -> None:
    """Let the peer tell all nodes on the cable that it is a router, as soon as its address can be used."""
    wait_for(
        lambda: "tentative" not in peer.run("ip", "-6", "address", "show", "dev", "eth0").stdout,
        "the peer's link-local address",
        deadline_s=PATIENCE_S,
    )
    with open_raw_socket(peer) as router:
        index = int(peer.run("ip", "-o", "link", "show", "eth0").stdout.partition(":")[0])
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        router.sendto(ADVERTISEMENT, ("ff02::1", 0, 0, index))
