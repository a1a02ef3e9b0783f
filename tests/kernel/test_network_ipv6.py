"""Who reaches whom by IPv6: published ports from everywhere they should, and nothing else; on both back ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller.errors import Unsupported
from tests.kernel.dual_host import (
    CALLER,
    HERMIT,
    STRANGER,
    WEB,
    DualHost,
    dual_host,
    own_socket,
    publish,
)
from tests.kernel.network_host import SILENCE_S, ask, run, serving
from tests.testhost.peer import Peer

pytestmark = pytest.mark.usefixtures("firewall_back_end")


@pytest.fixture
async def dual(tmp_path: Path) -> AsyncIterator[DualHost]:
    """Bridges and containers, without rules yet."""
    async with dual_host(tmp_path) as host:
        yield host


def open_peer(peer: Peer, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return an IPv6 socket of another machine."""
    return peer.socket(kind, family=socket.AF_INET6)


async def test_a_published_port_is_reached_from_everywhere(dual: DualHost, peer: Peer) -> None:
    await dual.publish(publish(8080), publish(8080, protocol="udp"))
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with dual.serving(WEB, kind):
            seen = {
                "another machine": ask(open_peer(peer, kind), peer.host_ipv6_address, 8080),
                "another machine by IPv4": ask(peer.socket(kind), peer.host_address, 8080),
                "the host by its address": ask(own_socket(kind), peer.host_ipv6_address, 8080),
                "the host by the gateway": ask(own_socket(kind), "fd00:77::1", 8080),
                "the host directly": ask(own_socket(kind), "fd00:77::2", 80),
                "a neighbour by the host": ask(dual.open_socket(CALLER, kind), peer.host_ipv6_address, 8080),
                "a neighbour by the gateway": ask(dual.open_socket(CALLER, kind), "fd00:77::1", 8080),
                "itself by the host": ask(dual.open_socket(WEB, kind), peer.host_ipv6_address, 8080),
                "another network": ask(dual.open_socket(STRANGER, kind), peer.host_ipv6_address, 8080),
                "a neighbour directly": ask(dual.open_socket(CALLER, kind), "fd00:77::2", 80),
            }
        assert {who for who, address in seen.items() if not address} == set()
        assert seen["another machine"] == peer.ipv6_address
        assert seen["another machine by IPv4"] == f"::ffff:{peer.address}"
        assert seen["a neighbour directly"] == "fd00:77::3"


async def test_nothing_else_is_reached(dual: DualHost, peer: Peer) -> None:
    await dual.publish(publish(8080, host_ip="fd00:77::1"), publish(8081, host_ip="0.0.0.0"))
    away = ("2001:db8:1::2", 7000)
    with (
        dual.serving(WEB),
        dual.serving(HERMIT),
        serving(open_peer(peer), ("::", 7000)),
        serving(own_socket(), ("::1", 7001)),
    ):
        assert ask(own_socket(), "fd00:77::1", 8080)
        assert ask(peer.socket(), peer.host_address, 8081) == f"::ffff:{peer.address}"
        assert ask(dual.open_socket(WEB), *away) == peer.host_ipv6_address
        attempts = {
            "a container from outside": (open_peer(peer), "fd00:77::2", 80),
            "an internal one from outside": (open_peer(peer), "fd00:79::2", 80),
            "a port of another address": (open_peer(peer), peer.host_ipv6_address, 8080),
            "a port of the other family": (open_peer(peer), peer.host_ipv6_address, 8081),
            "another network": (dual.open_socket(STRANGER), "fd00:77::2", 80),
            "an internal one": (dual.open_socket(STRANGER), "fd00:79::2", 80),
            "away from an internal one": (dual.open_socket(HERMIT), *away),
            "a port on the loopback": (own_socket(), "::1", 8080),
        }
        with ThreadPoolExecutor(len(attempts)) as threads:
            answers = dict(zip(attempts, threads.map(_ask_soon, attempts.values()), strict=True))
    assert {who for who, answer in answers.items() if answer} == set()


def _ask_soon(way: tuple[socket.socket, str, int]) -> str:
    return ask(*way, patience_s=SILENCE_S)


async def test_containers_kept_apart_do_not_reach_one_another(dual: DualHost, peer: Peer) -> None:
    """Whether bridges ask the firewall (br_netfilter), about IPv4 alone, about both, or not."""
    settings = [Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}") for name in ("iptables", "ip6tables")]
    if not settings[0].exists():
        pytest.skip("needs the module br_netfilter")
    before = [setting.read_text() for setting in settings]
    try:
        for filtered in ("00", "10", "11"):
            for setting, value in zip(settings, filtered, strict=True):
                setting.write_text(value)
            await dual.publish(publish(8080), apart=True)
            with dual.serving(WEB), serving(open_peer(peer), ("::", 7000)):
                assert ask(open_peer(peer), peer.host_ipv6_address, 8080) == peer.ipv6_address
                assert ask(dual.open_socket(CALLER), peer.ipv6_address, 7000)
                assert _ask_soon((dual.open_socket(CALLER), "fd00:77::2", 80)) == ""
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.write_text(value)


async def test_the_administrators_chain_comes_first(dual: DualHost, peer: Peer) -> None:
    await dual.publish(publish(8080))
    with dual.serving(WEB):
        run("ip6tables", "-A", "HOLD-USER", "-s", peer.ipv6_address, "-j", "DROP")
        await dual.publish(publish(8080), publish(8081))
        assert _ask_soon((open_peer(peer), peer.host_ipv6_address, 8080)) == ""
        run("ip6tables", "-F", "HOLD-USER")
        assert ask(open_peer(peer), peer.host_ipv6_address, 8081) == peer.ipv6_address


async def test_it_works_where_the_policy_is_to_drop(dual: DualHost, peer: Peer) -> None:
    run("ip6tables", "-A", "INPUT", "-i", peer.host_link, "-p", "ipv6-icmp", "-j", "ACCEPT")
    for chain in ("FORWARD", "INPUT"):
        run("ip6tables", "-P", chain, "DROP")
    try:
        await dual.publish(publish(8080))
        with dual.serving(WEB), serving(open_peer(peer), ("::", 7000)):
            assert ask(open_peer(peer), peer.host_ipv6_address, 8080) == peer.ipv6_address
            assert ask(dual.open_socket(CALLER), peer.host_ipv6_address, 8080)
            assert ask(dual.open_socket(CALLER), peer.ipv6_address, 7000)
        assert (await dual.ports.firewall.read()).digest
    finally:
        for chain in ("FORWARD", "INPUT"):
            run("ip6tables", "-P", chain, "ACCEPT")
        run("ip6tables", "-D", "INPUT", "-i", peer.host_link, "-p", "ipv6-icmp", "-j", "ACCEPT")


async def test_a_port_that_is_gone_takes_its_flow_along(dual: DualHost, peer: Peer) -> None:
    """A UDP flow that goes on: the kernel would keep sending it to where the port led before."""
    await dual.publish(publish(8080, protocol="udp"))
    client = open_peer(peer, socket.SOCK_DGRAM)
    with client, dual.serving(WEB, socket.SOCK_DGRAM):
        client.settimeout(SILENCE_S)
        client.connect((peer.host_ipv6_address, 8080))
        client.send(b"?")
        assert await asyncio.to_thread(client.recv, 512)
        await dual.publish()
        client.send(b"?")
        with pytest.raises(OSError, match=r"timed out|refused"):
            client.recv(512)


async def test_ports_are_not_taken_for_guarded_without_ip6tables(dual: DualHost, tmp_path: Path) -> None:
    program = tmp_path / "programs" / "ip6tables-save"
    works = program.readlink()
    program.unlink()
    program.symlink_to("/bin/false")
    with pytest.raises(Unsupported, match="need ip6tables"):
        await dual.publish(publish(8080))
    program.unlink()
    program.symlink_to(works)
    await dual.publish(publish(8080))
    assert (await dual.ports.firewall.read()).digest
