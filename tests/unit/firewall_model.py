"""What iptables does with a new connection's first packet, as far as our rules use it (iptables(8))."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

OUTSIDE = "eth0"
HOST = "lo"
"""The link of packets that the host itself sends, and receives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet; `came_by` and `goes_by` are links, HOST for the host's own end; `translated` that DNAT was done."""

    source: str
    target: str
    port: int
    protocol: str
    came_by: str
    goes_by: str = ""
    translated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host with bridges (subnet by name), addresses of its own, and rules; all of one family."""

    bridges: Mapping[str, str]
    addresses: frozenset[str]
    rules: str
    outside_address: str

    def deliver(self, packet: Packet) -> Packet | None:
        """Return the packet as it arrives, None when it is dropped."""
        if packet.came_by != HOST and packet.target == "::1":
            return None  # whatever the rules say (RFC 4291, section 2.5.3)
        tables = {"nat": {}, **_parse(self.rules)}
        entry = "OUTPUT" if packet.came_by == HOST else "PREROUTING"
        packet = self._walk(tables["nat"], entry, packet)[0]
        packet = replace(packet, goes_by=self._route(packet.target))
        chain = "INPUT" if packet.goes_by == HOST else "FORWARD"
        if packet.came_by != HOST and self._walk(tables["filter"], chain, packet)[1] == "DROP":
            return None
        leaves = packet.goes_by != HOST
        hidden = leaves and self._walk(tables["nat"], "POSTROUTING", packet)[1] == "MASQUERADE"
        return replace(packet, source=self._find_own(packet.goes_by)) if hidden else packet

    def is_local(self, address: str) -> bool:
        return address in self.addresses or ip_address(address).is_loopback

    def _route(self, target: str) -> str:
        if self.is_local(target):
            return HOST
        return next((name for name, net in self.bridges.items() if _is_in(target, net)), OUTSIDE)

    def _find_own(self, link: str) -> str:
        subnet = self.bridges.get(link)
        return str(ip_network(subnet)[1]) if subnet is not None else self.outside_address

    def _walk(self, table: Mapping[str, list[str]], chain: str, packet: Packet) -> tuple[Packet, str]:
        """Return the packet and the verdict of a chain, empty when it has none."""
        for rule in table.get(chain, ()):
            target = self._match(rule, packet)
            if target is None:
                continue
            name, *arguments = target
            if name == "DNAT":
                address, _, port = arguments[1].rpartition(":")
                return replace(packet, target=address.strip("[]"), port=int(port), translated=True), "DNAT"
            if name == "RETURN":
                return packet, ""
            if name in ("ACCEPT", "DROP", "MASQUERADE"):
                return packet, name
            packet, verdict = self._walk(table, name, packet)
            if verdict:
                return packet, verdict
        return packet, ""

    def _match(self, rule: str, packet: Packet) -> list[str] | None:
        """Return the rule's target with its arguments when the packet matches."""
        for is_wanted, option, value in _list_matches(rule):
            if option == "-j":
                return value.split()
            if self._fits(option, value, packet) != is_wanted:
                return None
        return None

    def _fits(self, option: str, value: str, packet: Packet) -> bool:
        matches: dict[str, Callable[[], bool]] = {
            "-s": lambda: _is_in(packet.source, value),
            "-d": lambda: _is_in(packet.target, value),
            "-i": lambda: packet.came_by == value,
            "-o": lambda: packet.goes_by == value,
            "-p": lambda: packet.protocol == value,
            "--dport": lambda: _is_between(packet.port, value),
            "--dst-type": lambda: value == "LOCAL" and self.is_local(packet.target),
            "--ctstate": lambda: packet.translated and "DNAT" in value.split(","),
            "-m": lambda: True,
            "--comment": lambda: True,
        }
        return matches[option]()


def _list_matches(rule: str) -> Iterator[tuple[bool, str, str]]:
    words = shlex.split(rule)
    wanted = True
    while words:
        word = words.pop(0)
        if word == "!":
            wanted = False
        elif word == "-j":
            yield True, word, " ".join(words)
            return
        else:
            yield wanted, word, words.pop(0)
            wanted = True


def _parse(text: str) -> dict[str, dict[str, list[str]]]:
    tables: dict[str, dict[str, list[str]]] = {}
    rules: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            rules = tables.setdefault(line[1:], {})
        elif line.startswith("-A "):
            _, chain, rule = line.split(" ", 2)
            rules.setdefault(chain, []).append(rule)
    return tables


def _is_between(port: int, value: str) -> bool:
    first, _, last = value.partition(":")
    return int(first) <= port <= int(last or first)


def _is_in(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)
