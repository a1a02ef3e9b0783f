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
    assert any("127.0.0.0/8" in rule and rule.endswith("DROP") for rule in _list_rules(text, "HOLD-INPUT"))


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
