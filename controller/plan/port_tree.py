"""Published ports as a tree of chains, so that a packet meets few rules however many ports there are.

A chain of more than MOST_RULES ports leads on to one chain for each protocol, then to one for each sixteenth of the
range of ports that is in use. So a new connection passes some 16 rules a level, at most five levels deep, and one port
more or less changes one short chain.
"""

from collections.abc import Iterator, Sequence

from controller.model.ports import render_host
from controller.model.wants import FirewallPort

MOST_RULES = 16
"""As many rules as a packet passes without being led on."""

_LETTERS = "abcdefghijklmnop"
_PROTOCOL_LETTERS = {"tcp": "T", "udp": "U", "sctp": "S"}
_STEP_BITS, _PORT_BITS = 4, 16


def render_ports(chain: str, ports: Sequence[FirewallPort]) -> Iterator[tuple[str, str]]:
    """Yield each rule with the chain that it belongs to; ports of one number stay in the order given.

    Rules are spelled as iptables-save prints them.
    """
    if len(ports) <= MOST_RULES:
        yield from _render_leaf(chain, ports)
        return
    for protocol, letter in _PROTOCOL_LETTERS.items():
        some = [port for port in ports if port.mapping.protocol == protocol]
        if some:
            yield chain, f"-p {protocol} -j {chain}{letter}"
            yield from _render_part(f"{chain}{letter}", some, _PORT_BITS)


def _render_part(chain: str, ports: Sequence[FirewallPort], bits: int) -> Iterator[tuple[str, str]]:
    """Yield the rules of a chain for ports of one protocol that differ in their lowest `bits` alone."""
    if len(ports) <= MOST_RULES or bits == 0:
        yield from _render_leaf(chain, ports)
        return
    rest = bits - _STEP_BITS
    parts: dict[int, list[FirewallPort]] = {}
    for port in ports:
        parts.setdefault(port.mapping.host_port >> rest, []).append(port)
    for number, some in sorted(parts.items()):
        child = f"{chain}{_LETTERS[number % len(_LETTERS)]}"
        yield chain, f"{_render_range(some[0], number << rest, rest)} -j {child}"
        yield from _render_part(child, some, rest)


def _render_range(port: FirewallPort, first: int, bits: int) -> str:
    last = first + (1 << bits) - 1
    protocol = port.mapping.protocol
    return f"-p {protocol} -m {protocol} --dport {first}:{last}" if bits else _render_match(port)


def _render_leaf(chain: str, ports: Sequence[FirewallPort]) -> Iterator[tuple[str, str]]:
    for port in ports:
        address, bits = port.mapping.single_ip, 128 if ":" in port.address else 32
        host = f"-d {address}/{bits} " if address else ""
        target = render_host(port.address, port.mapping.container_port)
        yield chain, f"{host}{_render_match(port)} -j DNAT --to-destination {target}"


def _render_match(port: FirewallPort) -> str:
    mapping = port.mapping
    return f"-p {mapping.protocol} -m {mapping.protocol} --dport {mapping.host_port}"
