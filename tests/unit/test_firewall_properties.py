"""For any networks and ports: a packet arrives exactly where a user would say that it should, by either family."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.network import Family
from controller.model.ports import PortMapping
from controller.model.wants import FirewallNetwork, FirewallPort
from controller.plan.firewall import IPV6_MARK, render_firewall
from tests.unit.firewall_model import HOST, OUTSIDE, Host, Packet

OWN: dict[Family, str] = {4: "192.0.2.1", 6: "2001:db8::1"}
STRANGER: dict[Family, str] = {4: "203.0.113.9", 6: "2001:db8:113::9"}
AWAY: dict[Family, str] = {4: "198.51.100.7", 6: "2001:db8:51::7"}
LOOPBACK: dict[Family, str] = {4: "127.0.0.1", 6: "::1"}
EVERY: dict[Family, str] = {4: "0.0.0.0", 6: "::"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A host, and a packet of one family that somebody sends to it or through it."""

    family: Family
    networks: list[FirewallNetwork]
    ports: list[FirewallPort]
    packet: Packet

    @property
    def present(self) -> list[FirewallNetwork]:
        """The networks that have the family."""
        return [network for network in self.networks if subnet_of(network, self.family)]

    def deliver(self) -> Packet | None:
        """Return the packet as it arrives."""
        documents = render_firewall(self.networks, self.ports, instance="hold").text.partition(IPV6_MARK)
        host = Host(
            bridges={network.bridge: subnet_of(network, self.family) for network in self.present},
            addresses=frozenset(
                {OWN[self.family], *(gateway_of(network, self.family) for network in self.present)}
            ),
            rules=documents[0 if self.family == 4 else 2],
            outside_address=OWN[self.family],
        )
        return host.deliver(self.packet)


def subnet_of(network: FirewallNetwork, family: Family) -> str:
    return network.subnet if family == 4 else network.ipv6_subnet


def gateway_of(network: FirewallNetwork, family: Family) -> str:
    return network.gateway if family == 4 else network.ipv6_gateway


def address_of(network: FirewallNetwork, family: Family, number: int) -> str:
    return str(ip_network(subnet_of(network, family))[number])


def make_network(
    number: int, families: frozenset[Family], *, internal: bool, masquerade: bool
) -> FirewallNetwork:
    return FirewallNetwork(
        bridge=f"hold-{number}",
        subnet=f"10.{number}.0.0/24" if 4 in families else "",
        gateway=f"10.{number}.0.1" if 4 in families else "",
        ipv6_subnet=f"fd00:{number}::/64" if 6 in families else "",
        ipv6_gateway=f"fd00:{number}::1" if 6 in families else "",
        internal=internal,
        masquerade=masquerade,
    )


some_families = st.sampled_from([frozenset[Family]({4}), frozenset[Family]({6}), frozenset[Family]({4, 6})])
networks = st.lists(
    st.builds(
        make_network, st.integers(1, 5), some_families, internal=st.booleans(), masquerade=st.booleans()
    ),
    max_size=4,
    unique_by=lambda network: network.bridge,
)


def draw_ports(draw: st.DrawFn, chosen: list[FirewallNetwork]) -> list[FirewallPort]:
    """Return ports of the host of which no two are in each other's way but by a more exact address."""
    ports = {}
    for _ in range(draw(st.integers(0, 5)) if chosen else 0):
        network = draw(st.sampled_from(chosen))
        mapping = PortMapping.model_validate(
            {
                "hostIP": draw(st.sampled_from(["", *OWN.values(), "127.0.0.1", *EVERY.values()])),
                "hostPort": draw(st.integers(8000, 8002)),
                "containerPort": draw(st.integers(80, 81)),
                "protocol": draw(st.sampled_from(["tcp", "udp"])),
            }
        )
        number = draw(st.integers(2, 4))
        for family in (4, 6):
            if subnet_of(network, family) and mapping.is_on(family):
                key = (family, mapping.single_ip, mapping.host_port, mapping.protocol)
                address = address_of(network, family, number)
                ports[key] = FirewallPort(mapping=mapping, bridge=network.bridge, address=address)
    return list(ports.values())


@st.composite
def journeys(draw: st.DrawFn) -> Journey:
    family: Family = draw(st.sampled_from([4, 6]))
    chosen = draw(networks)
    ports = draw_ports(draw, chosen)
    present = [network for network in chosen if subnet_of(network, family)]
    lacking = [network for network in chosen if network not in present] if present else []
    places = [(OUTSIDE, STRANGER[family]), (HOST, OWN[family]), (HOST, LOOPBACK[family])]
    places += [(network.bridge, address_of(network, family, 5)) for network in present]
    places += [(network.bridge, STRANGER[family]) for network in lacking]
    came_by, source = draw(st.sampled_from(places))
    targets = [OWN[family], LOOPBACK[family], AWAY[family]]
    targets += [gateway_of(network, family) for network in present]
    targets += [address_of(network, family, 2) for network in present]
    if source == "::1":
        targets = [source]  # nobody else hears it
    doors = [(port.mapping.host_port, port.mapping.protocol) for port in ports]
    port, protocol = draw(st.sampled_from([*doors, (80, "tcp"), (81, "udp"), (8001, "tcp")]))
    packet = Packet(
        source=source,
        target=draw(st.sampled_from(targets)),
        port=port,
        protocol=protocol,
        came_by=came_by,
    )
    return Journey(family=family, networks=chosen, ports=ports, packet=packet)


def find_goal(journey: Journey) -> tuple[str, int] | None:
    """Return where a user expects the packet, None for nowhere; an address of the host's means the host itself."""
    packet, family = journey.packet, journey.family
    here = next((network for network in journey.networks if network.bridge == packet.came_by), None)
    if here is not None and not subnet_of(here, family):
        return None
    own = {OWN[family], LOOPBACK[family], *(gateway_of(network, family) for network in journey.present)}
    if packet.target in own:
        return find_goal_at_host(journey, here)
    there = next(
        (
            each
            for each in journey.present
            if ip_address(packet.target) in ip_network(subnet_of(each, family))
        ),
        None,
    )
    if there is None:
        return None if here is not None and here.internal else (packet.target, packet.port)
    return (packet.target, packet.port) if packet.came_by == HOST or here is there else None


def find_goal_at_host(journey: Journey, here: FirewallNetwork | None) -> tuple[str, int] | None:
    """Return where a packet to an address of the host is expected."""
    packet, family = journey.packet, journey.family
    stays = (packet.target, packet.port)
    if packet.target == LOOPBACK[family]:
        if packet.came_by != HOST:
            return None if here is not None or family == 6 else stays  # others': the kernel drops it
        if family == 6:
            return stays
    by_bridge = {network.bridge: network for network in journey.networks}
    published = [
        port
        for port in journey.ports
        if (":" in port.address) is (family == 6)
        and port.mapping.host_port == packet.port
        and port.mapping.protocol == packet.protocol
        and port.mapping.single_ip in ("", packet.target)
        and not by_bridge[port.bridge].internal
    ]
    if not published:
        return stays
    if here is not None and here.internal:
        return None
    port = max(published, key=lambda each: len(each.mapping.single_ip))
    return port.address, port.mapping.container_port


@settings(max_examples=300)
@given(journeys())
def test_a_packet_arrives_where_it_should(journey: Journey) -> None:
    arrived = journey.deliver()
    assert ((arrived.target, arrived.port) if arrived is not None else None) == find_goal(journey)
    if arrived is None:
        return
    if journey.packet.came_by == OUTSIDE:
        assert arrived.source == journey.packet.source, "clients from outside keep their address"
    check_way_back(journey, arrived)
    sender = next((each for each in journey.networks if each.bridge == journey.packet.came_by), None)
    if arrived.goes_by == OUTSIDE and sender is not None:
        hidden = arrived.source == OWN[journey.family]
        assert hidden == sender.masquerade, "private addresses leave the host only where asked"


def check_way_back(journey: Journey, arrived: Packet) -> None:
    """What came back by another way than through the host would not be translated back."""
    if not arrived.translated or arrived.goes_by == HOST:
        return
    network = next(network for network in journey.networks if network.bridge == arrived.goes_by)
    source = ip_address(arrived.source)
    is_gateway = arrived.source == gateway_of(network, journey.family)
    assert is_gateway or source not in ip_network(subnet_of(network, journey.family))
    assert not source.is_loopback
