"""What every adapter of Firewall promises."""

from controller.model.ports import PortMapping
from controller.model.wants import FirewallNetwork, FirewallPort, FirewallWant
from controller.plan.firewall import render_firewall
from tests.contract.network import INSTANCE, NetworkPorts

NETWORK = FirewallNetwork(bridge="hold-shop", subnet="10.77.0.0/24", gateway="10.77.0.1")
INTERNAL = FirewallNetwork(bridge="hold-back", subnet="10.78.0.0/24", gateway="10.78.0.1", internal=True)
DUAL = FirewallNetwork(
    bridge="hold-dual",
    subnet="10.79.0.0/24",
    gateway="10.79.0.1",
    ipv6_subnet="fd00:79::/64",
    ipv6_gateway="fd00:79::1",
)
PORTS = (
    FirewallPort(
        mapping=PortMapping(host_port=8080, container_port=80), bridge="hold-shop", address="10.77.0.2"
    ),
    FirewallPort(
        mapping=PortMapping(host_ip="127.0.0.1", host_port=5353, container_port=53, protocol="udp"),
        bridge="hold-shop",
        address="10.77.0.3",
    ),
)
SCTP = FirewallPort(
    mapping=PortMapping(host_port=9999, container_port=99, protocol="sctp"),
    bridge="hold-shop",
    address="10.77.0.2",
)
EMPTY = render_firewall((), (), instance=INSTANCE)
ALL = render_firewall((NETWORK, INTERNAL, DUAL), (*PORTS, SCTP), instance=INSTANCE)


async def test_a_host_without_rules_of_ours_has_no_digest(network: NetworkPorts) -> None:
    assert (await network.firewall.read()).digest == ""


async def test_what_was_installed_is_there(network: NetworkPorts) -> None:
    for want in (ALL, EMPTY, ALL, ALL):
        await network.firewall.replace(want)
        assert (await network.firewall.read()).digest == want.digest


async def test_many_ports_are_there_and_one_more(network: NetworkPorts) -> None:
    def publish(count: int) -> FirewallWant:
        numbers = [1, 65535, *range(20000, 20000 + count)]
        ports = [
            FirewallPort(
                mapping=PortMapping(host_port=number, container_port=80),
                bridge="hold-shop",
                address="10.77.0.2",
            )
            for number in numbers
        ]
        return render_firewall((NETWORK,), ports, instance=INSTANCE)

    for count in (300, 301, 5, 301):
        await network.firewall.replace(publish(count))
        assert (await network.firewall.read()).digest == publish(count).digest


async def test_deleting_leaves_nothing(network: NetworkPorts) -> None:
    await network.firewall.delete()
    await network.firewall.replace(ALL)
    await network.firewall.delete()
    assert (await network.firewall.read()).digest == ""
    await network.firewall.delete()
