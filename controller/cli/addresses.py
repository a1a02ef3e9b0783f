"""Addresses of containers and of their published ports, as people read them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_ANYWHERE, _ANYWHERE_IPV6 = "0.0.0.0", "::"  # noqa: S104 - how Docker prints "every address"


def list_port_hosts(port: Document, status: Document) -> list[str]:
    """Return the addresses of the host that a port of a container's is published on."""
    if port.get("hostIP"):
        return [port["hostIP"]]
    networks = status.get("networks", [])
    by_ipv6 = any(each.get("ipv6Gateway") for each in networks)
    by_ipv4 = any(each.get("gateway") for each in networks) or not by_ipv6
    return [_ANYWHERE] * by_ipv4 + [_ANYWHERE_IPV6] * by_ipv6


def render_ports(status: Document) -> Iterator[str]:
    """Yield `0.0.0.0:8080->80/tcp`, `[::]:8080-8089->80-89/tcp` and the like: neighbours are joined, as by Docker."""
    for first, count in _join_neighbours(status.get("ports", [])):
        outer = _render_range(first.get("hostPort", 0), count)
        inner = _render_range(first["containerPort"], count)
        for host in list_port_hosts(first, status):
            place = render_place(host, outer)
            yield f"{place}->{inner}/{first.get('protocol', 'tcp')}"


def _join_neighbours(ports: Iterable[Document]) -> list[tuple[Document, int]]:
    """Return the first of each run of ports that follow one another on both sides, with how many they are."""
    runs: list[tuple[Document, int]] = []
    for port in ports:
        first, count = runs[-1] if runs else ({}, 0)
        if count and port == {**first, **_move_on(first, count)}:
            runs[-1] = (first, count + 1)
        else:
            runs.append((port, 1))
    return runs


def _move_on(port: Document, count: int) -> Document:
    return {side: port[side] + count for side in ("hostPort", "containerPort") if side in port}


def _render_range(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def render_place(address: str, port: int | str) -> str:
    """Return an address with a port, or ports; one of IPv6 is in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def render_addresses(status: Document) -> Iterator[str]:
    """Yield `NETWORK=ADDRESS` of each place."""
    for each in status.get("networks", []):
        yield from (f"{each['name']}={each[name]}" for name in ("ipv4", "ipv6") if each.get(name))


def spell_mac(text: str) -> str:
    """Return a hardware address as hold spells it: pairs in lower case with colons."""
    return text.lower().replace("-", ":")
