"""The host's rules as text for iptables-restore, rendered from all networks and ports at once.

The text is in the form that iptables-save prints, so that what is installed can be compared with it line by line.
Two documents, for iptables and ip6tables, are parted by the line IPV6_MARK. Lines that add to the kernel's own
chains are jumps, first in line in the order given; all others fill chains of this instance.

What a published port opens is told by the packet's connection having been translated (`ctstate DNAT`), so the filter
table needs no rule per port, and a container's own address opens nothing.

Nothing of a family comes in or is forwarded for networks that have no addresses of it. Where none has IPv6, it is off on
their bridges, and forwarding is all there is to forbid.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.model.names import ADMIN_CHAIN, EXTENSION_PREFIX, derive_chain
from controller.model.network import Family
from controller.model.ports import render_host
from controller.model.wants import FirewallNetwork, FirewallPort, FirewallWant
from controller.plan.port_tree import render_ports

IPV6_MARK = "# ip6tables"
NAME_SERVER_PORT = 18053
"""Where the name server listens on gateways: its queries are translated, so that port 53 stays the host's."""

_QUESTION_PROTOCOLS = ("udp", "tcp")
_NEIGHBOUR_MESSAGES = (135, 136)
"""Neighbour solicitation, neighbour advertisement (RFC 4861)."""
_LOOPBACK: dict[Family, str] = {4: "127.0.0.0/8", 6: "::1/128"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one family's rules are made from; `lacking` are bridges of networks without it."""

    family: Family
    instance: str
    networks: tuple[FirewallNetwork, ...]
    ports: tuple[FirewallPort, ...]
    lacking: tuple[str, ...]

    def chain(self, role: str) -> str:
        return derive_chain(self.instance, role)

    @property
    def mark(self) -> str:
        return f'-m comment --comment "hold:{self.instance}"'

    @property
    def loopback(self) -> str:
        return _LOOPBACK[self.family]

    def subnet_of(self, network: FirewallNetwork) -> str:
        return str(ipaddress.ip_network(_find_subnet(network, self.family)))

    def gateway_of(self, network: FirewallNetwork) -> str:
        return network.gateway if self.family == 4 else network.ipv6_gateway

    def single(self, address: str) -> str:
        return f"{address}/{32 if self.family == 4 else 128}"


def render_firewall(
    networks: Sequence[FirewallNetwork], ports: Sequence[FirewallPort], *, instance: str
) -> FirewallWant:
    """Return every rule of `instance`; the order of networks and ports makes no difference."""
    ordered = sorted(networks, key=lambda network: network.bridge)
    published = sorted(ports, key=_port_order)
    ipv4 = _select(4, ordered, published, instance)
    ipv6 = _select(6, ordered, published, instance)
    lines = [
        *_render_raw(ipv4),
        *_render_nat(ipv4),
        *_render_filter(ipv4),
        IPV6_MARK,
        *_render_raw(ipv6),
        *(_render_nat(ipv6) if ipv6.networks else ()),
        *(_render_filter(ipv6) if ipv6.networks else _render_refusal(ipv6)),
    ]
    text = "\n".join(lines) + "\n"
    return FirewallWant(digest=hashlib.sha256(text.encode()).hexdigest(), text=text)


def _select(
    family: Family, networks: Sequence[FirewallNetwork], ports: Sequence[FirewallPort], instance: str
) -> _Part:
    internal = {network.bridge for network in networks if network.internal}
    return _Part(
        family=family,
        instance=instance,
        networks=tuple(each for each in networks if _find_subnet(each, family)),
        ports=tuple(
            port for port in ports if port.bridge not in internal and (":" in port.address) is (family == 6)
        ),
        lacking=tuple(each.bridge for each in networks if not _find_subnet(each, family)),
    )


def _find_subnet(network: FirewallNetwork, family: Family) -> str:
    return network.subnet if family == 4 else network.ipv6_subnet


def _port_order(port: FirewallPort) -> tuple[bool, str, int, str]:
    """Order ports on one address of the host before those on all, or the latter would take their packets."""
    mapping = port.mapping
    return mapping.single_ip == "", mapping.protocol, mapping.host_port, mapping.single_ip


def _render_raw(part: _Part) -> Iterator[str]:
    """Leave frames alone that further bridges of crowded networks forward: the first bridge hands them on again.

    That is where bridges hand frames to these rules at all (br_netfilter). What was translated there would be lost here.
    """
    if any(network.crowded for network in part.networks):
        chain = part.chain("RAW")
        yield "*raw"
        yield f":{chain} - [0:0]"
        yield f"-A PREROUTING {part.mark} -j {chain}"
        yield f"-A {chain} -i {EXTENSION_PREFIX}+ -j CT --notrack"
        yield "COMMIT"


def _render_nat(part: _Part) -> Iterator[str]:
    translate, leave = part.chain("DNAT"), part.chain("SNAT")
    rules = [*_render_questions(part), *render_ports(translate, part.ports)]
    yield "*nat"
    for chain in dict.fromkeys((translate, *(chain for chain, _ in rules), leave)):
        yield f":{chain} - [0:0]"
    local = f"-m addrtype --dst-type LOCAL {part.mark}"
    yield f"-A PREROUTING ! -d {part.loopback} {local} -j {translate}"
    # What comes back to ::1 by a bridge is dropped before it is translated back: IPv6 has no route_localnet.
    own = "" if part.family == 4 else f"! -d {part.loopback} "
    yield f"-A OUTPUT {own}{local} -j {translate}"
    yield f"-A POSTROUTING {part.mark} -j {leave}"
    yield from _render_rules(rules)
    for network in part.networks:
        yield from _render_masquerade(part, network)
    yield "COMMIT"


def _render_rules(rules: Iterable[tuple[str, str]]) -> Iterator[str]:
    for chain, rule in rules:
        yield f"-A {chain} {rule}"


def _render_questions(part: _Part) -> Iterator[tuple[str, str]]:
    """Yield what leads questions at gateways to the name server, each rule with its chain."""
    names = part.chain("NAMES")
    for protocol in _QUESTION_PROTOCOLS if any(network.dns for network in part.networks) else ():
        yield part.chain("DNAT"), f"-p {protocol} -m {protocol} --dport 53 -j {names}"
    for network in part.networks:
        gateway = part.gateway_of(network)
        target = render_host(gateway, NAME_SERVER_PORT)
        for protocol in _QUESTION_PROTOCOLS if network.dns else ():
            asked = f"-d {part.single(gateway)} -i {network.bridge} -p {protocol} -m {protocol} --dport 53"
            yield names, f"{asked} -j DNAT --to-destination {target}"


def _render_masquerade(part: _Part, network: FirewallNetwork) -> Iterator[str]:
    """Hide what would not find its way back: the host's loopback, neighbours by way of the host, what leaves it."""
    chain, subnet, bridge = part.chain("SNAT"), part.subnet_of(network), network.bridge
    if part.family == 4:
        yield f"-A {chain} -s {part.loopback} -o {bridge} -j MASQUERADE"
    yield f"-A {chain} -s {subnet} -o {bridge} -m conntrack --ctstate DNAT -j MASQUERADE"
    if network.masquerade and not network.internal:
        yield f"-A {chain} -s {subnet} ! -o {bridge} -j MASQUERADE"


def _render_filter(part: _Part) -> Iterator[str]:
    apart, forward, enter = part.chain("APART"), part.chain("FORWARD"), part.chain("INPUT")
    entering = list(_render_input(part))
    yield "*filter"
    for chain in dict.fromkeys((apart, forward, enter, *(chain for chain, _ in entering))):
        yield f":{chain} - [0:0]"
    yield f"-A INPUT {part.mark} -j {enter}"
    yield f"-A FORWARD {part.mark} -j {ADMIN_CHAIN}"
    yield f"-A FORWARD {part.mark} -j {apart}"
    yield f"-A FORWARD {part.mark} -j {forward}"
    yield from _render_rules(entering)
    yield from _render_apart(part)
    for network in part.networks:
        yield from _render_forward(network, forward)
    if any(network.crowded for network in part.networks):
        yield f"-A {forward} -i {EXTENSION_PREFIX}+ -o {EXTENSION_PREFIX}+ -j ACCEPT"
    yield "COMMIT"


def _render_input(part: _Part) -> Iterator[tuple[str, str]]:
    """Guard the host's loopback, which route_localnet opens to bridges, and let only neighbours ask for names.

    Every packet that comes to the host passes the first chain, so what each network adds is in others.
    """
    enter, bridges, names = part.chain("INPUT"), part.chain("BRIDGES"), part.chain("NAMES")
    if part.networks:
        yield (
            enter,
            f"-d {part.loopback} ! -i lo -j {bridges}" if part.family == 4 else f"-p ipv6-icmp -j {bridges}",
        )
    for protocol in _QUESTION_PROTOCOLS if any(network.dns for network in part.networks) else ():
        yield enter, f"-p {protocol} -m {protocol} --dport {NAME_SERVER_PORT} -j {names}"
    for bridge in part.lacking:
        yield enter, f"-i {bridge} -j DROP"
    for network in part.networks:
        for rule in _render_greeting(part, network.bridge):
            yield bridges, rule
        gateway = part.single(part.gateway_of(network))
        for protocol in _QUESTION_PROTOCOLS if network.dns else ():
            port = f"-p {protocol} -m {protocol} --dport {NAME_SERVER_PORT}"
            yield names, f"-d {gateway} -i {network.bridge} {port} -j ACCEPT"
            yield names, f"-d {gateway} -i lo {port} -j ACCEPT"
            yield names, f"-d {gateway} {port} -j DROP"


def _render_greeting(part: _Part, bridge: str) -> Iterator[str]:
    """Yield what becomes of packets to the loopback from a bridge, or of messages by which neighbours find the host.

    Answers to what the host asked from its loopback have that address again when they come here. Neighbours find the
    host by messages of IPv6 itself, which a policy to drop must not keep from it, as it does not keep ARP.
    """
    if part.family == 4:
        yield f"-d {part.loopback} -i {bridge} -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"
    else:
        for message in _NEIGHBOUR_MESSAGES:
            yield f"-i {bridge} -p ipv6-icmp -m icmp6 --icmpv6-type {message} -j ACCEPT"


def _render_apart(part: _Part) -> Iterator[str]:
    """Drop what must not come in or leave, and let the rest go on.

    A chain of its own, since what leaves is accepted by the instance that it comes from: every instance has to be asked
    before the first one accepts.
    """
    chain = part.chain("APART")
    for network in part.networks:
        if network.internal:
            yield f"-A {chain} -i {network.bridge} ! -o {network.bridge} -j DROP"
            yield f"-A {chain} ! -i {network.bridge} -o {network.bridge} -j DROP"
    for bridge in part.lacking:
        yield f"-A {chain} -i {bridge} -j DROP"
        yield f"-A {chain} -o {bridge} -j DROP"
    if part.networks:
        yield f"-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN"
    for network in part.networks:
        bridge = network.bridge
        # Neighbours are seen by these rules only where bridges hand frames to them (br_netfilter).
        yield f"-A {chain} -i {bridge} -o {bridge} -j {'RETURN' if network.inter_container else 'DROP'}"
        yield f"-A {chain} -o {bridge} -j DROP"


def _render_forward(network: FirewallNetwork, chain: str) -> Iterator[str]:
    """Accept what has not been dropped: to the bridge, and from it."""
    yield f"-A {chain} -o {network.bridge} -j ACCEPT"
    yield f"-A {chain} -i {network.bridge} -j ACCEPT"


def _render_refusal(part: _Part) -> Iterator[str]:
    """Forward nothing of a family that no network has."""
    apart = part.chain("APART")
    yield "*filter"
    yield f":{apart} - [0:0]"
    yield f"-A FORWARD {part.mark} -j {apart}"
    yield from _render_apart(part)
    yield "COMMIT"
