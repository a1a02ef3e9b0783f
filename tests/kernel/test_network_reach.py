"""Who reaches whom: published ports from everywhere they should, and nothing else; on both back ends of iptables."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.kernel.network_host import (
    CALLER,
    HERMIT,
    SHOP,
    SILENCE_S,
    STRANGER,
    WEB,
    NetworkHost,
    ask,
    own_socket,
    publish,
    run,
    serving,
)
from tests.testhost.peer import Peer, connected_peer

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def render_trick(gateway: str) -> str:
    """Return what makes a machine send what is for 127.0.0.1 to another one."""
    routes = f"ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via {gateway}"
    return f"{routes}; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"


pytestmark = pytest.mark.usefixtures("firewall_back_end")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_published_port_is_reached_from_everywhere(
    network: NetworkHost, peer: Peer, protocol: str
) -> None:
    kind = KINDS[protocol]
    await network.publish(publish(8080, protocol=protocol))
    with network.serving(WEB, kind):
        seen = {
            "another machine": ask(peer.socket(kind), peer.host_address, 8080),
            "the host by its address": ask(own_socket(kind), peer.host_address, 8080),
            "the host by its loopback": ask(own_socket(kind), "127.0.0.1", 8080),
            "the host by the gateway": ask(own_socket(kind), "10.77.0.1", 8080),
            "a neighbour by the host": ask(network.open_socket(CALLER, kind), peer.host_address, 8080),
            "a neighbour by the gateway": ask(network.open_socket(CALLER, kind), "10.77.0.1", 8080),
            "itself by the host": ask(network.open_socket(WEB, kind), peer.host_address, 8080),
            "another network by the host": ask(network.open_socket(STRANGER, kind), peer.host_address, 8080),
            "a neighbour directly": ask(network.open_socket(CALLER, kind), "10.77.0.2", 80),
        }
    assert {who for who, address in seen.items() if not address} == set()
    assert seen["another machine"] == peer.address
    assert seen["a neighbour directly"] == "10.77.0.3"


async def test_nothing_else_is_reached_from_another_machine(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(8080, host_ip="127.0.0.1"), publish(8081, host_ip="10.77.0.1"))
    with network.serving(WEB), network.serving(HERMIT):
        assert ask(own_socket(), "127.0.0.1", 8080)
        targets = {
            ("10.77.0.2", 80), ("10.79.0.2", 80), (peer.host_address, 8080), (peer.host_address, 8081),
        }  # fmt: skip
        reached = {target for target in targets if ask(peer.socket(), *target, patience_s=SILENCE_S)}
    assert reached == set()


async def test_a_port_on_one_address_of_the_host_is_on_no_other(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(8080, host_ip=peer.host_address))
    with network.serving(WEB):
        assert ask(peer.socket(), peer.host_address, 8080) == peer.address
        assert ask(own_socket(), peer.host_address, 8080)
        assert ask(network.open_socket(CALLER), peer.host_address, 8080)
        assert ask(own_socket(), "127.0.0.1", 8080, patience_s=SILENCE_S) == ""


async def test_networks_are_apart(network: NetworkHost) -> None:
    await network.publish()
    with network.serving(WEB), network.serving(HERMIT):
        assert ask(network.open_socket(STRANGER), "10.77.0.2", 80, patience_s=SILENCE_S) == ""
        assert ask(network.open_socket(STRANGER), "10.79.0.2", 80, patience_s=SILENCE_S) == ""
        assert ask(network.open_socket(HERMIT), "10.77.0.2", 80, patience_s=SILENCE_S) == ""
        assert ask(own_socket(), "10.77.0.2", 80) == "10.77.0.1"


async def test_an_internal_network_is_cut_off(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(8080))
    network.enter(HERMIT, "ip route add default via 10.79.0.1")
    with network.serving(WEB), serving(peer.socket(), ("0.0.0.0", 7000)):
        assert ask(network.open_socket(HERMIT), peer.address, 7000, patience_s=SILENCE_S) == ""
        assert ask(network.open_socket(HERMIT), peer.host_address, 8080, patience_s=SILENCE_S) == ""


@pytest.mark.parametrize("filtered", ["0", "1"])
async def test_containers_kept_apart_reach_all_but_one_another(
    network: NetworkHost, peer: Peer, filtered: str
) -> None:
    """Whether bridges ask the firewall (br_netfilter) or not."""
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not setting.exists():
        pytest.skip("needs the module br_netfilter")
    before = setting.read_text()
    setting.write_text(filtered)
    try:
        await network.set_apart(SHOP, publish(8080))
        with network.serving(WEB), serving(peer.socket(), ("0.0.0.0", 7000)):
            assert ask(network.open_socket(CALLER), "10.77.0.2", 80, patience_s=SILENCE_S) == ""
            assert ask(network.open_socket(CALLER), "10.77.0.1", 8080)
            assert ask(network.open_socket(CALLER), peer.address, 7000)
            assert ask(peer.socket(), peer.host_address, 8080) == peer.address
    finally:
        setting.write_text(before)
        await network.restore()


async def test_what_leaves_the_host_takes_its_address(network: NetworkHost, peer: Peer) -> None:
    await network.publish()
    with serving(peer.socket(), ("0.0.0.0", 7000)):
        assert ask(network.open_socket(WEB), peer.address, 7000) == peer.host_address


async def test_the_loopback_of_the_host_stays_its_own(network: NetworkHost) -> None:
    await network.publish(publish(8080))
    network.enter(CALLER, render_trick("10.77.0.1"))
    with serving(own_socket(), ("127.0.0.1", 7001)), network.serving(WEB):
        assert ask(own_socket(), "127.0.0.1", 7001) == "127.0.0.1"
        assert ask(own_socket(), "127.0.0.1", 8080)
        assert ask(network.open_socket(CALLER), "127.0.0.1", 7001, patience_s=SILENCE_S) == ""


async def test_a_stranger_on_the_wire_does_not_reach_loopback_ports(network: NetworkHost) -> None:
    await network.publish(publish(8080, host_ip="127.0.0.1"))
    with connected_peer("spoofer", subnet="198.51.100.0/24") as spoofer, network.serving(WEB):
        spoofer.run("sh", "-ec", render_trick(spoofer.host_address))
        assert ask(spoofer.socket(), "127.0.0.1", 8080, patience_s=SILENCE_S) == ""


async def test_the_administrators_chain_comes_first(network: NetworkHost, peer: Peer) -> None:
    await network.publish(publish(8080))
    with network.serving(WEB):
        run("iptables", "-A", "HOLD-USER", "-s", peer.address, "-j", "DROP")
        assert ask(peer.socket(), peer.host_address, 8080, patience_s=SILENCE_S) == ""
        await network.publish(publish(8080), publish(8081))
        assert ask(peer.socket(), peer.host_address, 8080, patience_s=SILENCE_S) == ""
        run("iptables", "-F", "HOLD-USER")
        assert ask(peer.socket(), peer.host_address, 8081) == peer.address


async def test_it_works_where_the_policy_is_to_drop(network: NetworkHost, peer: Peer) -> None:
    for chain in ("FORWARD", "INPUT"):
        run("iptables", "-P", chain, "DROP")
    try:
        await network.publish(publish(8080))
        with network.serving(WEB), serving(peer.socket(), ("0.0.0.0", 7000)):
            assert ask(peer.socket(), peer.host_address, 8080) == peer.address
            assert ask(network.open_socket(CALLER), peer.host_address, 8080)
            assert ask(network.open_socket(CALLER), peer.address, 7000)
    finally:
        for chain in ("FORWARD", "INPUT"):
            run("iptables", "-P", chain, "ACCEPT")


async def test_a_port_that_moved_takes_its_flow_along(network: NetworkHost, peer: Peer) -> None:
    """A UDP flow that goes on: the kernel would keep sending it to where the port led before."""
    await network.publish(publish(8080, protocol="udp"))
    client = peer.socket(socket.SOCK_DGRAM)
    with client, network.serving(WEB, socket.SOCK_DGRAM):
        client.settimeout(SILENCE_S)
        client.connect((peer.host_address, 8080))
        client.send(b"?")
        assert await asyncio.to_thread(client.recv, 512)
        await network.publish()
        client.send(b"?")
        with pytest.raises(OSError, match=r"timed out|refused"):
            client.recv(512)
