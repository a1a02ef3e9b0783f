"""For any networks and ports: a packet arrives exactly where a user would say that it should."""

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from controller.model.ports import PortMapping
from controller.model.wants import FirewallNetwork, FirewallPort
from controller.plan.firewall import IPV6_MARK, render_firewall
from tests.unit.firewall_model import HOST, OUTSIDE, Host, Packet

OWN = "192.0.2.1"
STRANGER = "203.0.113.9"

networks = st.lists(
    st.builds(
        lambda number, internal, masquerade: FirewallNetwork(
            bridge=f"hold-{number}",
            subnet=f"10.{number}.0.0/24",
            gateway=f"10.{number}.0.1",
            internal=internal,
            masquerade=masquerade,
        ),
        st.integers(1, 5),
        st.booleans(),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda network: network.bridge,
)


@st.composite
def hosts(draw: st.DrawFn) -> tuple[list[FirewallNetwork], list[FirewallPort]]:
    """Networks, and ports of the host of which no two are in each other's way but by a more exact address."""
    chosen = draw(networks)
    ports = {}
    for _ in range(draw(st.integers(0, 5)) if chosen else 0):
        network = draw(st.sampled_from(chosen))
        mapping = PortMapping.model_validate(
            {
                "hostIP": draw(st.sampled_from(["", OWN, "127.0.0.1"])),
                "hostPort": draw(st.integers(8000, 8002)),
                "containerPort": draw(st.integers(80, 81)),
                "protocol": draw(st.sampled_from(["tcp", "udp"])),
            }
        )
        address = str(IPv4Network(network.subnet)[draw(st.integers(2, 4))])
        key = (mapping.host_ip, mapping.host_port, mapping.protocol)
        ports[key] = FirewallPort(mapping=mapping, bridge=network.bridge, address=address)
    return chosen, list(ports.values())


@st.composite
def journeys(draw: st.DrawFn) -> tuple[list[FirewallNetwork], list[FirewallPort], Packet]:
    """A host, and a packet that somebody sends to it or through it."""
    chosen, ports = draw(hosts())
    places = [(OUTSIDE, STRANGER), (HOST, OWN), (HOST, "127.0.0.1")]
    places += [(network.bridge, str(IPv4Network(network.subnet)[5])) for network in chosen]
    came_by, source = draw(st.sampled_from(places))
    targets = [OWN, "127.0.0.1", "198.51.100.7", *(network.gateway for network in chosen)]
    targets += [str(IPv4Network(network.subnet)[2]) for network in chosen]
    packet = Packet(
        source=source,
        target=draw(st.sampled_from(targets)),
        port=draw(st.sampled_from([80, 81, 8000, 8001, 8002])),
        protocol=draw(st.sampled_from(["tcp", "udp"])),
        came_by=came_by,
    )
    return chosen, ports, packet


def find_goal(
    networks: list[FirewallNetwork], ports: list[FirewallPort], packet: Packet
) -> tuple[str, int] | None:
    """Return where a user expects the packet, None for nowhere; an address of the host's means the host itself."""
    by_bridge = {network.bridge: network for network in networks}
    here = by_bridge.get(packet.came_by)
    own = {OWN, "127.0.0.1", *(network.gateway for network in networks)}
    if packet.target in own:
        to_loopback = packet.target == "127.0.0.1"
        if to_loopback and packet.came_by != HOST:
            return None if here is not None else (packet.target, packet.port)  # others': the kernel drops it
        published = [
            port
            for port in ports
            if port.mapping.host_port == packet.port
            and port.mapping.protocol == packet.protocol
            and port.mapping.host_ip in ("", packet.target)
            and not by_bridge[port.bridge].internal
        ]
        if not published:
            return packet.target, packet.port
        port = max(published, key=lambda each: len(each.mapping.host_ip))
        if here is not None and here.internal:
            return None
        return port.address, port.mapping.container_port
    there = next((network for network in networks if packet.target.startswith(network.subnet[:-4])), None)
    if there is None:
        return None if here is not None and here.internal else (packet.target, packet.port)
    return (packet.target, packet.port) if packet.came_by == HOST or here is there else None


def make_host(networks: list[FirewallNetwork], ports: list[FirewallPort]) -> Host:
    rules = render_firewall(networks, ports, instance="hold").text.partition(IPV6_MARK)[0]
    return Host(
        bridges={network.bridge: network.subnet for network in networks},
        addresses=frozenset({OWN, *(network.gateway for network in networks)}),
        rules=rules,
    )


@given(journeys())
def test_a_packet_arrives_where_it_should(
    journey: tuple[list[FirewallNetwork], list[FirewallPort], Packet],
) -> None:
    chosen, ports, packet = journey
    arrived = make_host(chosen, ports).deliver(packet)
    found = (arrived.target, arrived.port) if arrived is not None else None
    assert found == find_goal(chosen, ports, packet)


@given(journeys())
def test_clients_from_outside_keep_their_address(
    journey: tuple[list[FirewallNetwork], list[FirewallPort], Packet],
) -> None:
    chosen, ports, packet = journey
    arrived = make_host(chosen, ports).deliver(packet)
    if arrived is not None and packet.came_by == OUTSIDE:
        assert arrived.source == packet.source


@given(journeys())
def test_an_answer_finds_its_way_back(
    journey: tuple[list[FirewallNetwork], list[FirewallPort], Packet],
) -> None:
    """What came back by another way than through the host would not be translated back."""
    chosen, ports, packet = journey
    arrived = make_host(chosen, ports).deliver(packet)
    if arrived is None or not arrived.translated or arrived.goes_by == HOST:
        return
    subnet = next(network.subnet for network in chosen if network.bridge == arrived.goes_by)
    neighbour = arrived.source.startswith(subnet[:-4]) and not arrived.source.endswith(".0.1")
    assert not neighbour
    assert not arrived.source.startswith("127.")


@given(journeys())
def test_private_addresses_leave_the_host_only_where_asked(
    journey: tuple[list[FirewallNetwork], list[FirewallPort], Packet],
) -> None:
    chosen, ports, packet = journey
    arrived = make_host(chosen, ports).deliver(packet)
    sender = next((network for network in chosen if network.bridge == packet.came_by), None)
    if arrived is not None and arrived.goes_by == OUTSIDE and sender is not None:
        assert (arrived.source == OWN) == sender.masquerade
