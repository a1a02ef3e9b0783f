"""What admission is told of the host: what others have, and nothing of ours."""

import socket

from controller.kernel.host_view import KernelHostView
from controller.model.wants import NamesWant, Zone
from tests.kernel.network_host import SHOP, NetworkHost, own_socket
from tests.testhost.peer import Peer


async def test_routes_and_links_of_others_are_seen(network: NetworkHost, peer: Peer) -> None:
    facts = await KernelHostView(layout=network.layout).read(networks=True)
    assert facts.routes == ("192.0.2.0/24", "2001:db8:1::/64")
    assert facts.link_names == {"lo", peer.host_link}


async def test_listeners_of_others_are_seen(network: NetworkHost) -> None:
    zone = Zone(network=SHOP.network, network_name="shop", gateways=("10.77.0.1",))
    await network.ports.names.publish(NamesWant(digest="one", zones=(zone,)))
    everywhere, here = own_socket(), own_socket(socket.SOCK_DGRAM)
    dual = socket.create_server(("::", 7003), family=socket.AF_INET6, dualstack_ipv6=True)
    connected = own_socket(socket.SOCK_DGRAM)
    loopback = socket.create_server(("::1", 7005), family=socket.AF_INET6)
    with everywhere, here, dual, connected, loopback:
        everywhere.bind(("0.0.0.0", 7001))
        everywhere.listen()
        here.bind(("127.0.0.1", 7002))
        connected.bind(("127.0.0.1", 7004))
        connected.connect(("127.0.0.1", 7002))
        facts = await KernelHostView(layout=network.layout).read(networks=True)
    assert facts.listeners == {
        ("tcp", "", 7001), ("udp", "127.0.0.1", 7002), ("tcp", "", 7003), ("tcp", "::1", 7005),
    }  # fmt: skip
