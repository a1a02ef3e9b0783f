"""Links of the host's namespace and whose they are: what bridges, attachments and the host view share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from controller.kernel.network import rtnetlink
from controller.kernel.network.netlink import Netlink
from controller.model.ids import Uid
from controller.model.names import derive_link_alias

_TABLES = (rtnetlink.RT_TABLE_MAIN, rtnetlink.RT_TABLE_LOCAL)


@contextmanager
def opened_netlink() -> Iterator[Netlink]:
    """A request socket in the calling thread's namespace, closed at the end."""
    netlink = Netlink()
    try:
        yield netlink
    finally:
        netlink.close()


def read_links(netlink: Netlink) -> tuple[rtnetlink.Link, ...]:
    """Return every link of the socket's namespace."""
    return tuple(rtnetlink.parse_link(each) for each in netlink.dump(rtnetlink.dump_links()))


def read_marked_bridges(netlink: Netlink, alias: str) -> tuple[rtnetlink.Link, ...]:
    """Return the bridges with that mark; of others no more is read than tells them apart."""
    return tuple(link for link in read_bridges(netlink, alias) if link.alias == alias)


def read_bridges(netlink: Netlink, mark: str) -> tuple[rtnetlink.Link, ...]:
    """Return the bridges with that text in what the kernel tells of them."""
    messages = netlink.dump(rtnetlink.dump_links(kind="bridge"))
    return tuple(rtnetlink.parse_link(each) for each in messages if mark.encode() in each.body)


def read_addresses(netlink: Netlink, index: int = 0) -> dict[int, tuple[str, ...]]:
    """Return addresses with prefix by link index, IPv4 first; without link-local ones of IPv6.

    With `index`, those of one link alone.
    """
    return _group(_list_addresses(netlink, index))


def read_routed_addresses(netlink: Netlink, index: int = 0) -> dict[int, tuple[str, ...]]:
    """Return addresses as `read_addresses` does, but those for which a route is gone that the kernel made with them."""
    routes = read_routes(netlink, index)
    return _group(each for each in _list_addresses(netlink, index) if routes.has_all_of(each))


def _list_addresses(netlink: Netlink, index: int) -> Iterator[rtnetlink.Address]:
    for message in netlink.dump(rtnetlink.dump_addresses(index)):
        address = rtnetlink.parse_address(message)
        if address is not None and not address.is_link_local:
            yield address


def _group(addresses: Iterable[rtnetlink.Address]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for address in addresses:
        found[address.index] = (*found.get(address.index, ()), address.text)
    return found


def read_routes(netlink: Netlink, index: int = 0) -> rtnetlink.RouteIndex:
    """Return the routes to others and to the host itself; with `index`, those by one link alone."""
    messages = (message for table in _TABLES for message in netlink.dump(rtnetlink.dump_routes(table, index)))
    parsed = map(rtnetlink.parse_route, messages)
    return rtnetlink.RouteIndex(route for route in parsed if route is not None)


def find_link(netlink: Netlink, *, name: str = "", index: int = 0) -> rtnetlink.Link | None:
    """Return the link with a name or an index, None when there is none."""
    answer = netlink.get(rtnetlink.get_link(name=name, index=index))
    return rtnetlink.parse_link(answer) if answer is not None else None


def parse_owner(instance: str, alias: str) -> Uid | None:
    """Return the uid in a link's alias, None when the alias is not this instance's mark."""
    prefix = derive_link_alias(instance, Uid(""))
    return Uid(alias.removeprefix(prefix)) if alias.startswith(prefix) and "/" not in alias else None


def parse_extended(instance: str, alias: str) -> tuple[Uid, str] | None:
    """Return the network, and its first bridge's name, in the alias of a further bridge or of what joins it."""
    prefix = derive_link_alias(instance, Uid(""))
    network, slash, bridge = alias.removeprefix(prefix).partition("/")
    return (Uid(network), bridge) if alias.startswith(prefix) and slash else None
