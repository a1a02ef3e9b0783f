"""The host's rules as text for iptables-restore, rendered from all networks and ports at once.

The text is in the form that iptables-save prints, so that what is installed can be compared with it line by line.
Two documents, for iptables and ip6tables, are parted by the line IPV6_MARK. Lines that add to the kernel's own
chains are jumps, first in line in the order given; all others fill chains of this instance.

What a published port opens is told by the packet's connection having been translated (`ctstate DNAT`), so the filter
table needs no rule per port, and a container's own address opens nothing.
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence

from controller.model.names import ADMIN_CHAIN, derive_chain
from controller.model.wants import FirewallNetwork, FirewallPort, FirewallWant
from controller.plan.port_tree import render_ports

IPV6_MARK = "# ip6tables"
NAME_SERVER_PORT = 18053
"""Where the name server listens on gateways: its queries are translated, so that port 53 stays the host's."""

_LOOPBACK = "127.0.0.0/8"


def render_firewall(
    networks: Sequence[FirewallNetwork], ports: Sequence[FirewallPort], *, instance: str
) -> FirewallWant:
    """Return every rule of `instance`; the order of networks and ports makes no difference."""
    ordered = sorted(networks, key=lambda network: network.bridge)
    internal = {network.bridge for network in ordered if network.internal}
    published = sorted((port for port in ports if port.bridge not in internal), key=_port_order)
    lines = [
        *_render_nat(ordered, published, instance),
        *_render_filter(ordered, instance),
        IPV6_MARK,
        *_render_ipv6(ordered, instance),
    ]
    text = "\n".join(lines) + "\n"
    return FirewallWant(digest=hashlib.sha256(text.encode()).hexdigest(), text=text)


def _port_order(port: FirewallPort) -> tuple[bool, str, int, str]:
    """Order ports on one address of the host before those on all, or the latter would take their packets."""
    mapping = port.mapping
    return mapping.host_ip == "", mapping.protocol, mapping.host_port, mapping.host_ip


def _render_nat(
    networks: Sequence[FirewallNetwork], ports: Sequence[FirewallPort], instance: str
) -> Iterator[str]:
    translate, leave = derive_chain(instance, "DNAT"), derive_chain(instance, "SNAT")
    mark = _render_mark(instance)
    published = list(render_ports(translate, ports))
    yield "*nat"
    for chain in dict.fromkeys((translate, *(chain for chain, _ in published), leave)):
        yield f":{chain} - [0:0]"
    local = f"-m addrtype --dst-type LOCAL {mark}"
    yield f"-A PREROUTING ! -d {_LOOPBACK} {local} -j {translate}"
    yield f"-A OUTPUT {local} -j {translate}"
    yield f"-A POSTROUTING {mark} -j {leave}"
    for network in networks:
        for protocol in ("udp", "tcp") if network.dns else ():
            yield (
                f"-A {translate} -d {network.gateway}/32 -i {network.bridge} -p {protocol} -m {protocol}"
                f" --dport 53 -j DNAT --to-destination {network.gateway}:{NAME_SERVER_PORT}"
            )
    for chain, rule in published:
        yield f"-A {chain} {rule}"
    for network in networks:
        yield from _render_masquerade(network, leave)
    yield "COMMIT"


def _render_masquerade(network: FirewallNetwork, chain: str) -> Iterator[str]:
    """Hide what would not find its way back: the host's loopback, neighbours by way of the host, what leaves it."""
    subnet = str(ipaddress.IPv4Network(network.subnet))
    bridge = network.bridge
    yield f"-A {chain} -s {_LOOPBACK} -o {bridge} -j MASQUERADE"
    yield f"-A {chain} -s {subnet} -o {bridge} -m conntrack --ctstate DNAT -j MASQUERADE"
    if network.masquerade and not network.internal:
        yield f"-A {chain} -s {subnet} ! -o {bridge} -j MASQUERADE"


def _render_filter(networks: Sequence[FirewallNetwork], instance: str) -> Iterator[str]:
    forward, enter = derive_chain(instance, "FORWARD"), derive_chain(instance, "INPUT")
    apart = derive_chain(instance, "APART")
    mark = _render_mark(instance)
    yield "*filter"
    yield f":{apart} - [0:0]"
    yield f":{forward} - [0:0]"
    yield f":{enter} - [0:0]"
    yield f"-A INPUT {mark} -j {enter}"
    yield f"-A FORWARD {mark} -j {ADMIN_CHAIN}"
    yield f"-A FORWARD {mark} -j {apart}"
    yield f"-A FORWARD {mark} -j {forward}"
    for network in networks:
        yield from _render_input(network, enter)
    yield from _render_apart(networks, apart)
    for network in networks:
        yield from _render_forward(network, forward)
    yield "COMMIT"


def _render_input(network: FirewallNetwork, chain: str) -> Iterator[str]:
    """Guard the host's loopback, which route_localnet opens to the bridge, and let only neighbours ask for names.

    Answers to what the host asked from its loopback have that address again when they come here.
    """
    bridge = network.bridge
    yield f"-A {chain} -d {_LOOPBACK} -i {bridge} -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"
    for protocol in ("udp", "tcp") if network.dns else ():
        port = f"-p {protocol} -m {protocol} --dport {NAME_SERVER_PORT}"
        yield f"-A {chain} -d {network.gateway}/32 -i {bridge} {port} -j ACCEPT"
        yield f"-A {chain} -d {network.gateway}/32 -i lo {port} -j ACCEPT"
        yield f"-A {chain} -d {network.gateway}/32 {port} -j DROP"


def _render_apart(networks: Sequence[FirewallNetwork], chain: str) -> Iterator[str]:
    """Drop what must not come in or leave, and let the rest go on.

    A chain of its own, since what leaves is accepted by the instance that it comes from: every instance has to be asked
    before the first one accepts.
    """
    for network in networks:
        if network.internal:
            yield f"-A {chain} -i {network.bridge} ! -o {network.bridge} -j DROP"
            yield f"-A {chain} ! -i {network.bridge} -o {network.bridge} -j DROP"
    for network in networks:
        bridge = network.bridge
        yield f"-A {chain} -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN"
        # Neighbours are seen by these rules only where bridges hand frames to them (br_netfilter).
        yield f"-A {chain} -i {bridge} -o {bridge} -j {'RETURN' if network.inter_container else 'DROP'}"
        yield f"-A {chain} -o {bridge} -j DROP"


def _render_forward(network: FirewallNetwork, chain: str) -> Iterator[str]:
    """Accept what has not been dropped: to the bridge, and from it."""
    yield f"-A {chain} -o {network.bridge} -j ACCEPT"
    yield f"-A {chain} -i {network.bridge} -j ACCEPT"


def _render_ipv6(networks: Sequence[FirewallNetwork], instance: str) -> Iterator[str]:
    """Forward no IPv6 for our bridges: their networks have none."""
    forward = derive_chain(instance, "FORWARD")
    yield "*filter"
    yield f":{forward} - [0:0]"
    yield f"-A FORWARD {_render_mark(instance)} -j {forward}"
    for network in networks:
        yield f"-A {forward} -i {network.bridge} -j DROP"
        yield f"-A {forward} -o {network.bridge} -j DROP"
    yield "COMMIT"


def _render_mark(instance: str) -> str:
    return f'-m comment --comment "hold:{instance}"'
