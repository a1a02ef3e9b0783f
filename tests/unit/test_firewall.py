"""The rules' text: what is opened, what stays shut, and that it is the same for the same wishes."""

import itertools
from dataclasses import replace

import pytest

from controller.model.ports import PortMapping
from controller.model.wants import FirewallNetwork, FirewallPort
from controller.plan.firewall import IPV6_MARK, render_firewall

FRONT = FirewallNetwork(bridge="hold-front", subnet="10.77.0.0/24", gateway="10.77.0.1")
INNER = FirewallNetwork(bridge="hold-inner", subnet="10.78.0.0/24", gateway="10.78.0.1", internal=True)
ROUTED = FirewallNetwork(bridge="hold-routed", subnet="10.79.0.0/24", gateway="10.79.0.1", masquerade=False)


def _publish(host_ip: str = "", *, bridge: str = "hold-front", host_port: int = 8080) -> FirewallPort:
    mapping = PortMapping(host_ip=host_ip, host_port=host_port, container_port=80, protocol="tcp")
    return FirewallPort(mapping=mapping, bridge=bridge, address="10.77.0.9")


def _list_rules(text: str, chain: str) -> list[str]:
    prefix = f"-A {chain} "
    return [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]


def test_the_order_of_wishes_makes_no_difference() -> None:
    ports = (_publish(), _publish("127.0.0.1", host_port=81), _publish("192.0.2.1"))
    wants = {
        render_firewall(networks, published, instance="hold")
        for networks in itertools.permutations([FRONT, INNER, ROUTED])
        for published in itertools.permutations(ports)
    }
    assert len(wants) == 1


def test_a_change_changes_the_digest() -> None:
    one = render_firewall([FRONT], [_publish()], instance="hold")
    other = render_firewall([FRONT], [_publish(host_port=8081)], instance="hold")
    assert one.digest != other.digest


def test_containers_kept_apart_are_so_where_bridges_ask_the_rules() -> None:
    apart = replace(FRONT, inter_container=False)
    rules = {
        network: _list_rules(render_firewall([network], [], instance="hold").text, "HOLD-APART")
        for network in (FRONT, apart)
    }
    assert "-i hold-front -o hold-front -j RETURN" in rules[FRONT]
    assert "-i hold-front -o hold-front -j DROP" in rules[apart]
    assert "-i hold-front -o hold-front -j RETURN" not in rules[apart]


def test_a_published_port_is_translated() -> None:
    text = render_firewall([FRONT], [_publish()], instance="hold").text
    rule = "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.77.0.9:80"
    assert rule in _list_rules(text, "HOLD-DNAT")


def test_a_port_on_one_address_comes_before_the_same_on_all() -> None:
    rules = _list_rules(
        render_firewall([FRONT], [_publish(), _publish("192.0.2.1")], instance="hold").text, "HOLD-DNAT"
    )
    published = [rule for rule in rules if "--dport 8080" in rule]
    assert [rule.startswith("-d 192.0.2.1/32") for rule in published] == [True, False]


def test_packets_from_outside_to_the_loopback_are_not_translated() -> None:
    text = render_firewall([FRONT], [_publish("127.0.0.1")], instance="hold").text
    assert all(rule.startswith("! -d 127.0.0.0/8 ") for rule in _list_rules(text, "PREROUTING"))
    guard = "-d 127.0.0.0/8 -i hold-front -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"
    assert _list_rules(text, "HOLD-BRIDGES") == [guard]


def test_networks_add_nothing_to_what_every_packet_to_the_host_passes() -> None:
    one, three = (
        render_firewall(networks, [], instance="hold").text for networks in ([FRONT], [FRONT, INNER, ROUTED])
    )
    for chain in ("HOLD-INPUT", "HOLD-DNAT"):
        assert _list_rules(one, chain) == _list_rules(three, chain)


def test_an_internal_network_publishes_nothing() -> None:
    text = render_firewall([INNER], [_publish(bridge="hold-inner")], instance="hold").text
    assert "10.77.0.9" not in text


def test_an_internal_network_is_cut_off_before_anything_is_let_by() -> None:
    rules = _list_rules(render_firewall([FRONT, INNER], [], instance="hold").text, "HOLD-APART")
    let_by = next(index for index, rule in enumerate(rules) if rule.endswith("RETURN"))
    assert {"-i hold-inner ! -o hold-inner -j DROP", "! -i hold-inner -o hold-inner -j DROP"} <= set(
        rules[:let_by]
    )


def test_every_drop_comes_before_anything_is_accepted() -> None:
    text = render_firewall([FRONT, ROUTED, INNER], [], instance="hold").text
    jumps = [rule.rpartition(" ")[2] for rule in _list_rules(text, "FORWARD")]
    assert jumps[:3] == ["HOLD-USER", "HOLD-APART", "HOLD-FORWARD"]
    assert {rule.rpartition(" ")[2] for rule in _list_rules(text, "HOLD-APART")} == {"RETURN", "DROP"}
    accepted = _list_rules(text.partition(IPV6_MARK)[0], "HOLD-FORWARD")
    assert {rule.rpartition(" ")[2] for rule in accepted} == {"ACCEPT"}


@pytest.mark.parametrize(("network", "hidden"), [(FRONT, True), (ROUTED, False), (INNER, False)])
def test_masquerade_follows_the_network(network: FirewallNetwork, *, hidden: bool) -> None:
    rules = _list_rules(render_firewall([network], [], instance="hold").text, "HOLD-SNAT")
    assert (f"-s {network.subnet} ! -o {network.bridge} -j MASQUERADE" in rules) is hidden


def test_the_administrators_chain_is_jumped_to_first_but_never_declared() -> None:
    text = render_firewall([FRONT], [], instance="hold").text
    assert _list_rules(text, "FORWARD")[0].endswith("-j HOLD-USER")
    assert ":HOLD-USER" not in text


def test_built_in_chains_are_never_declared() -> None:
    text = render_firewall([FRONT], [], instance="hold").text
    assert all(line.startswith(":HOLD-") for line in text.splitlines() if line.startswith(":"))


def test_instances_have_chains_of_their_own() -> None:
    text = render_firewall([FRONT], [_publish()], instance="second").text
    assert "HOLD-FORWARD" not in text
    assert "HOLD-DNAT" not in text


def test_no_ipv6_is_forwarded() -> None:
    _, _, ipv6 = render_firewall([FRONT], [], instance="hold").text.partition(IPV6_MARK)
    assert _list_rules(ipv6, "HOLD-APART") == ["-i hold-front -j DROP", "-o hold-front -j DROP"]


DUAL = replace(FRONT, ipv6_subnet="fd00:77::/64", ipv6_gateway="fd00:77::1")
SIX = FirewallNetwork(
    bridge="hold-six", subnet="", gateway="", ipv6_subnet="fd00:80::/64", ipv6_gateway="fd00:80::1"
)


def test_the_rules_of_ipv6_are_those_of_ipv4() -> None:
    """All but the loopback: the kernel itself lets nobody in there."""
    port = replace(_publish("2001:db8::1"), address="fd00:77::9")
    anywhere = replace(_publish(host_port=8081), address="fd00:77::9")
    _, _, ipv6 = render_firewall([DUAL, FRONT_ALONE], [port, anywhere], instance="hold").text.partition(
        IPV6_MARK
    )
    assert ipv6.strip().splitlines() == GOLDEN_IPV6.strip().splitlines()


FRONT_ALONE = replace(FRONT, bridge="hold-z4")
GOLDEN_IPV6 = """
*nat
:HOLD-DNAT - [0:0]
:HOLD-NAMES - [0:0]
:HOLD-SNAT - [0:0]
-A PREROUTING ! -d ::1/128 -m addrtype --dst-type LOCAL -m comment --comment "hold:hold" -j HOLD-DNAT
-A OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -m comment --comment "hold:hold" -j HOLD-DNAT
-A POSTROUTING -m comment --comment "hold:hold" -j HOLD-SNAT
-A HOLD-DNAT -p udp -m udp --dport 53 -j HOLD-NAMES
-A HOLD-DNAT -p tcp -m tcp --dport 53 -j HOLD-NAMES
-A HOLD-NAMES -d fd00:77::1/128 -i hold-front -p udp -m udp --dport 53 -j DNAT --to-destination [fd00:77::1]:18053
-A HOLD-NAMES -d fd00:77::1/128 -i hold-front -p tcp -m tcp --dport 53 -j DNAT --to-destination [fd00:77::1]:18053
-A HOLD-DNAT -d 2001:db8::1/128 -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00:77::9]:80
-A HOLD-DNAT -p tcp -m tcp --dport 8081 -j DNAT --to-destination [fd00:77::9]:80
-A HOLD-SNAT -s fd00:77::/64 -o hold-front -m conntrack --ctstate DNAT -j MASQUERADE
-A HOLD-SNAT -s fd00:77::/64 ! -o hold-front -j MASQUERADE
COMMIT
*filter
:HOLD-APART - [0:0]
:HOLD-FORWARD - [0:0]
:HOLD-INPUT - [0:0]
:HOLD-BRIDGES - [0:0]
:HOLD-NAMES - [0:0]
-A INPUT -m comment --comment "hold:hold" -j HOLD-INPUT
-A FORWARD -m comment --comment "hold:hold" -j HOLD-USER
-A FORWARD -m comment --comment "hold:hold" -j HOLD-APART
-A FORWARD -m comment --comment "hold:hold" -j HOLD-FORWARD
-A HOLD-INPUT -p ipv6-icmp -j HOLD-BRIDGES
-A HOLD-INPUT -p udp -m udp --dport 18053 -j HOLD-NAMES
-A HOLD-INPUT -p tcp -m tcp --dport 18053 -j HOLD-NAMES
-A HOLD-INPUT -i hold-z4 -j DROP
-A HOLD-BRIDGES -i hold-front -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
-A HOLD-BRIDGES -i hold-front -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT
-A HOLD-NAMES -d fd00:77::1/128 -i hold-front -p udp -m udp --dport 18053 -j ACCEPT
-A HOLD-NAMES -d fd00:77::1/128 -i lo -p udp -m udp --dport 18053 -j ACCEPT
-A HOLD-NAMES -d fd00:77::1/128 -p udp -m udp --dport 18053 -j DROP
-A HOLD-NAMES -d fd00:77::1/128 -i hold-front -p tcp -m tcp --dport 18053 -j ACCEPT
-A HOLD-NAMES -d fd00:77::1/128 -i lo -p tcp -m tcp --dport 18053 -j ACCEPT
-A HOLD-NAMES -d fd00:77::1/128 -p tcp -m tcp --dport 18053 -j DROP
-A HOLD-APART -i hold-z4 -j DROP
-A HOLD-APART -o hold-z4 -j DROP
-A HOLD-APART -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
-A HOLD-APART -i hold-front -o hold-front -j RETURN
-A HOLD-APART -o hold-front -j DROP
-A HOLD-FORWARD -o hold-front -j ACCEPT
-A HOLD-FORWARD -i hold-front -j ACCEPT
COMMIT
"""


def test_a_network_of_ipv6_alone_lets_no_ipv4_in() -> None:
    ipv4, _, _ = render_firewall([SIX], [], instance="hold").text.partition(IPV6_MARK)
    assert _list_rules(ipv4, "HOLD-INPUT") == ["-i hold-six -j DROP"]
    assert _list_rules(ipv4, "HOLD-APART") == ["-i hold-six -j DROP", "-o hold-six -j DROP"]
    assert _list_rules(ipv4, "HOLD-SNAT") == []
