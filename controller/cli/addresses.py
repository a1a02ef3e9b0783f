"""Addresses of containers and of their published ports, as people read them."""

from collections.abc import Iterator, Mapping
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
    """Yield `0.0.0.0:8080->80/tcp`, `[::]:8080->80/tcp` and the like."""
    for port in status.get("ports", []):
        for host in list_port_hosts(port, status):
            place = render_place(host, port.get("hostPort", 0))
            yield f"{place}->{port['containerPort']}/{port.get('protocol', 'tcp')}"


def render_place(address: str, port: int) -> str:
    """Return an address with a port; one of IPv6 is in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def render_addresses(status: Document) -> Iterator[str]:
    """Yield `NETWORK=ADDRESS` of each place."""
    for each in status.get("networks", []):
        yield from (f"{each['name']}={each[name]}" for name in ("ipv4", "ipv6") if each.get(name))
