"""Published ports as a tree of chains, so that a packet meets few rules however many ports there are.

A chain of more than MOST_RULES ports leads on to one chain for each protocol, then to one for each quarter of the range of
ports that is in use. So a new connection passes at most four rules for each of the six times that ranges are quartered,
mostly two or three of each, besides those of one short chain. A chain's name tells its range: one port more or less changes
a chain or two, and moves no other.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from controller.model.ports import render_host
from controller.model.wants import FirewallPort

MOST_RULES = 16
"""As many ports as a chain has before it leads on."""

_LETTERS = "abcd"
_PROTOCOL_LETTERS = {"tcp": "T", "udp": "U", "sctp": "S"}
_STEP_BITS, _PORT_BITS = 2, 16


def render_ports(chain: str, ports: Sequence[FirewallPort]) -> Iterator[tuple[str, str]]:
    """Yield each rule with the chain that it belongs to; ports of one number stay in the order given.

    Rules are spelled as iptables-save prints them.
    """
    if len(ports) <= MOST_RULES:
        yield from ((chain, _render_rule(port)) for port in ports)
        return
    for protocol, letter in _PROTOCOL_LETTERS.items():
        some = [port for port in ports if port.mapping.protocol == protocol]
        if some:
            yield chain, f"-p {protocol} -j {chain}{letter}"
            some.sort(key=_number_of)
            yield from _render_range(f"{chain}{letter}", "", some)


def _render_range(root: str, path: str, ports: Sequence[FirewallPort]) -> Iterator[tuple[str, str]]:
    """Yield the rules of the chain `path` below `root`; ports of one protocol, in the order of their numbers."""
    chain = root + path
    bits = _count_differing_bits(ports)
    if len(ports) <= MOST_RULES or bits == 0:
        yield from ((chain, _render_rule(port)) for port in ports)
        return
    rest, start = bits - _STEP_BITS, 0
    while start < len(ports):
        quarter = _number_of(ports[start]) >> rest
        end = bisect_left(ports, (quarter + 1) << rest, lo=start, key=_number_of)
        below = _render_path(quarter, _PORT_BITS - rest)
        yield chain, f"{_render_match(ports[start], quarter << rest, rest)} -j {root}{below}"
        yield from _render_range(root, below, ports[start:end])
        start = end


def _number_of(port: FirewallPort) -> int:
    return port.mapping.host_port


def _count_differing_bits(ports: Sequence[FirewallPort]) -> int:
    """Return in how many of their lowest bits the numbers differ, in whole steps."""
    bits = (_number_of(ports[0]) ^ _number_of(ports[-1])).bit_length()
    return bits + bits % _STEP_BITS


def _render_path(prefix: int, bits: int) -> str:
    """Return a letter for each step of a prefix of so many bits."""
    steps = range(bits - _STEP_BITS, -1, -_STEP_BITS)
    return "".join(_LETTERS[prefix >> shift & 3] for shift in steps)


def _render_match(port: FirewallPort, first: int, bits: int) -> str:
    protocol, last = port.mapping.protocol, first + (1 << bits) - 1
    return (
        f"-p {protocol} -m {protocol} --dport {first}:{last}"
        if bits
        else f"-p {protocol} -m {protocol} --dport {first}"
    )


def _render_rule(port: FirewallPort) -> str:
    mapping, address = port.mapping, port.mapping.single_ip
    host = f"-d {address}/{128 if ':' in port.address else 32} " if address else ""
    target = render_host(port.address, mapping.container_port)
    return f"{host}{_render_match(port, mapping.host_port, 0)} -j DNAT --to-destination {target}"
