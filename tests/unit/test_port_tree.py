"""Published ports as a tree: every packet still finds its port, and passes few rules on its way."""

import re
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.ports import PortMapping, Protocol
from controller.model.wants import FirewallPort
from controller.plan.port_tree import MOST_RULES, render_ports
from tests.unit.firewall_model import HOST, Host, Packet

OWN = ("192.0.2.1", "192.0.2.2")
LONGEST_NAME = 8
"""Letters of a chain's name: one for the protocol, one for each quartering."""
MOST_PASSED, MOSTLY_PASSED, MOST_CHANGED = 36, 24, 4
RULE = re.compile(
    r"-p (?P<protocol>\w+)( -m \w+ --dport (?P<first>\d+)(:(?P<last>\d+))?)? -j (?P<target>[\w-]+)( .*)?"
)

PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp", "sctp")
places = st.tuples(st.sampled_from(["", *OWN]), st.sampled_from(PROTOCOLS), st.integers(1, 65535))


def publish(place: tuple[str, Protocol, int], number: int) -> FirewallPort:
    host_ip, protocol, host_port = place
    mapping = PortMapping(host_ip=host_ip, host_port=host_port, container_port=number + 1, protocol=protocol)
    return FirewallPort(mapping=mapping, bridge="hold-shop", address="10.77.0.2")


def render(ports: Sequence[FirewallPort]) -> dict[str, list[str]]:
    chains: dict[str, list[str]] = {}
    for chain, rule in render_ports("HOLD-DNAT", sorted(ports, key=lambda each: each.mapping.host_ip == "")):
        chains.setdefault(chain, []).append(rule)
    return chains


def deliver(chains: Mapping[str, Sequence[str]], packet: Packet) -> Packet | None:
    rules = [f"-A {chain} {rule}" for chain, its in chains.items() for rule in its]
    text = "\n".join(["*nat", "-A OUTPUT -j HOLD-DNAT", *rules, "*filter"])
    return Host(bridges={}, addresses=frozenset(OWN), rules=text, outside_address=OWN[0]).deliver(packet)


@settings(max_examples=60)
@given(st.lists(places, max_size=120, unique=True), st.integers(1, 200), st.data())
def test_a_packet_finds_its_port(
    chosen: list[tuple[str, Protocol, int]], crowd: int, data: st.DataObject
) -> None:
    crowded: list[tuple[str, Protocol, int]] = [("", "tcp", 20000 + number) for number in range(crowd)]
    wanted = {place: number for number, place in enumerate(dict.fromkeys([*chosen, *crowded]))}
    host_ip, protocol, port = data.draw(st.one_of(st.sampled_from([*wanted]), places))
    target = host_ip or OWN[0]
    packet = Packet(source=OWN[0], target=target, port=port, protocol=protocol, came_by=HOST)
    arrived = deliver(render([publish(*each) for each in wanted.items()]), packet)
    number = wanted.get((target, protocol, port), wanted.get(("", protocol, port)))
    assert arrived is not None
    assert arrived.port == (port if number is None else number + 1)


@given(
    st.lists(
        st.tuples(st.just(""), st.sampled_from(PROTOCOLS), st.integers(1, 65535)), min_size=20, unique=True
    )
)
def test_chains_are_short(chosen: list[tuple[str, Protocol, int]]) -> None:
    chains = render([publish(place, 79) for place in chosen])
    assert max(map(len, chains.values())) <= MOST_RULES
    assert max(map(len, chains)) - len("HOLD-DNAT") <= LONGEST_NAME


def test_few_rules_are_passed_and_changed() -> None:
    places: list[tuple[str, Protocol, int]] = [("", "tcp", 20000 + number) for number in range(1000)]
    places += [("", "udp", 1 + 64 * number) for number in range(1000)]
    ports = [publish(place, 79) for place in places]
    chains = render(ports)
    passed = [count_passed(chains, protocol, number) for _, protocol, number in places]
    assert max(passed) <= MOST_PASSED
    assert sum(passed) / len(passed) <= MOSTLY_PASSED
    more = render([*ports, publish(("", "tcp", 21500), 79)])
    changed = [chain for chain in {*more, *chains} if more.get(chain) != chains.get(chain)]
    assert len(changed) <= MOST_CHANGED


def count_passed(chains: Mapping[str, Sequence[str]], protocol: str, port: int) -> int:
    """Return how many rules are asked until one translates a packet to any address."""
    chain, passed = "HOLD-DNAT", 0
    while True:
        for rule in chains[chain]:
            passed += 1
            match = RULE.fullmatch(rule)
            assert match is not None
            first, last = int(match["first"] or 0), int(match["last"] or match["first"] or 65535)
            if match["protocol"] == protocol and first <= port <= last:
                break
        else:
            raise AssertionError(f"{protocol} {port} is lost in {chain}")
        if match["target"] == "DNAT":
            return passed
        chain = match["target"]


def test_few_ports_stay_in_one_chain() -> None:
    assert list(render([publish(("", "tcp", 8000 + number), 79) for number in range(MOST_RULES)])) == [
        "HOLD-DNAT"
    ]
