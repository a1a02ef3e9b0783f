"""Networks with more containers than a bridge has ports: `Extensions(instance)`.

A Linux bridge takes 1,023 ports (BR_MAX_PORTS, net/bridge/br_private.h). What has no room gets a further bridge, which
a veth pair joins to the first; frames find their way as between two switches. Nobody above knows of it: a port of a
further bridge counts as one of the first.

Bridges are filled a little less: what a container sends to all, such as the question for an address, is queued for each
port at once, and Linux drops what is more than 1,000 frames (netdev_max_backlog), the answer among them.
"""

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from controller.errors import Refused
from controller.kernel.network import rtnetlink
from controller.kernel.network.host_links import (
    find_link,
    parse_extended,
    parse_owner,
    read_bridges,
    read_links,
)
from controller.kernel.network.host_settings import configure_extension, make_room_for_crowds
from controller.kernel.network.link_settings import settle_joint, settle_port
from controller.kernel.network.netlink import Netlink
from controller.kernel.network.rtnetlink import Link
from controller.model.ids import Uid
from controller.model.names import (
    derive_extension,
    derive_extension_alias,
    derive_joint,
    derive_link_alias,
    derive_outer_mac,
)

_FULL = errno.EXFULL
_EXISTS = frozenset({errno.EEXIST})
_GONE = frozenset({errno.ENODEV})
_MOST = 256
_MOST_PORTS = 960


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The network of a first bridge, as its further ones have to be."""

    network: Uid
    bridge: Link
    isolated: bool
    mtu: int | None


class Join(Protocol):
    """Makes a link a port of a bridge; `again` where it was tried before. OSError (EXFULL) where there is no room."""

    def __call__(self, chosen: Link, *, again: bool) -> None: ...


class Extensions:
    """Further bridges of an instance's networks; blocking, for threads, any number at a time."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._lock = threading.Lock()
        self._roomy: dict[Uid, int] = {}
        """The bridge of a network where there was room last, 0 for the first one."""

    def name_home(self, master: Link | None) -> str:
        """Return the name of the first bridge for a port of any of a network's, empty for a port of none."""
        if master is None:
            return ""
        extended = parse_extended(self._instance, master.alias)
        return extended[1] if extended is not None and master.kind == "bridge" else master.name

    def find_home(self, netlink: Netlink, crowd: Crowd, link: Link) -> Link | None:
        """Return the bridge of the network that a link is a port of, None when it is one of no such bridge."""
        if link.master_index == crowd.bridge.index:
            return crowd.bridge
        master = find_link(netlink, index=link.master_index) if link.master_index else None
        if master is None or parse_extended(self._instance, master.alias) != (
            crowd.network,
            crowd.bridge.name,
        ):
            return None
        return master

    def settle_in(self, netlink: Netlink, crowd: Crowd, join: Join) -> None:
        """Call `join(bridge, again=...)` until a bridge has room; a new one is made when none has.

        `join` raises EXFULL where there is none, and is called again then. Refused where there are too many.
        """
        again = False
        for number in self._list_numbers(crowd.network):
            bridge = crowd.bridge if number == 0 else self._find(netlink, crowd.network, number)
            if bridge is None:
                bridge = self._extend(netlink, crowd, number)
            if _count_ports(bridge.name) >= _MOST_PORTS:
                continue
            try:
                join(bridge, again=again)
            except OSError as exc:
                if exc.errno != _FULL:
                    raise
                again = True
                continue
            self._roomy[crowd.network] = number
            return
        raise Refused(f"network of bridge {crowd.bridge.name} has no room for more containers")

    def _list_numbers(self, network: Uid) -> Iterator[int]:
        """Yield numbers of bridges from the one that had room last, then all."""
        first = self._roomy.get(network, 0)
        yield first
        yield from (number for number in range(_MOST) if number != first)

    def _find(self, netlink: Netlink, network: Uid, number: int) -> Link | None:
        return find_link(netlink, name=derive_extension(network, number))

    def _extend(self, netlink: Netlink, crowd: Crowd, number: int) -> Link:
        """Make a further bridge, or make it whole, and join it to the first one."""
        name = derive_extension(crowd.network, number)
        alias = derive_extension_alias(self._instance, crowd.network, crowd.bridge.name)
        near, far = derive_joint(crowd.network, number)
        with self._lock:
            make_room_for_crowds()
            netlink.run(rtnetlink.create_bridge(name), tolerate=_EXISTS)
            netlink.run(rtnetlink.set_link(name, alias=alias, up=True))
            configure_extension(name)
            extension = find_link(netlink, name=name)
            if extension is None:
                raise Refused(f"bridge {name} was removed meanwhile")
            _make_joint(netlink, near, far)
            if crowd.mtu is not None:
                netlink.run(*(rtnetlink.set_mtu(each, crowd.mtu) for each in (near, far, name)))
            netlink.run(rtnetlink.set_link(far, alias=alias, master_index=extension.index, up=True))
            self._join(netlink, crowd, near, extension)
            netlink.run(settle_joint(near, isolated=crowd.isolated), settle_joint(far, isolated=False))
        return extension

    def _join(self, netlink: Netlink, crowd: Crowd, near: str, extension: Link) -> None:
        """Make the joint a port of the first bridge; one that has no room gives a port to the other."""
        alias = derive_extension_alias(self._instance, crowd.network, crowd.bridge.name)
        joint = rtnetlink.set_link(near, alias=alias, master_index=crowd.bridge.index, up=True)
        try:
            netlink.run(joint)
        except OSError as exc:
            if exc.errno != _FULL:
                raise
            links = read_links(netlink)
            port = next(
                each
                for each in links
                if each.master_index == crowd.bridge.index
                and parse_owner(self._instance, each.alias) is not None
            )
            netlink.run(
                rtnetlink.set_link(port.name, master_index=extension.index),
                settle_port(port.name, None, isolated=port.isolated),
            )
            netlink.run(joint)

    def read_family(self, netlink: Netlink, network: Uid) -> tuple[Link, ...]:
        """Return the further bridges of a network and what joins them, without a look at containers' links."""
        further = [
            link
            for link in read_bridges(netlink, derive_link_alias(self._instance, network))
            if (extended := parse_extended(self._instance, link.alias)) is not None and extended[0] == network
        ]
        numbers = _number(network) if further else {}
        shown = {1, 2, *(numbers[each.name] for each in further if each.name in numbers)}
        ends = [find_link(netlink, name=name) for number in shown for name in derive_joint(network, number)]
        return (*further, *(end for end in ends if end is not None))

    def settle_joints(self, netlink: Netlink, crowd: Crowd) -> None:
        """Join every further bridge of the network to the first one again, and remove those of another name."""
        family = self.read_family(netlink, crowd.network)
        numbers = _number(crowd.network) if family else {}
        for link in family:
            extended = parse_extended(self._instance, link.alias)
            is_strange = link.kind == "bridge" and link.name not in numbers
            if is_strange or extended is None or extended[1] != crowd.bridge.name:
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
            elif link.kind == "bridge" and not _is_joined(link, crowd, numbers[link.name], family):
                ports = (each for each in read_links(netlink) if each.master_index == link.index)
                isolated = any(each.isolated for each in ports)
                self._extend(netlink, replace(crowd, isolated=isolated), numbers[link.name])

    def settle_isolation(self, netlink: Netlink, crowd: Crowd, home: Link) -> None:
        """Keep the ports of a further bridge from isolated ones of others, or let them to them, as the network wants it."""
        if home.index == crowd.bridge.index:
            return
        numbers = _number(crowd.network)
        near = find_link(netlink, name=derive_joint(crowd.network, numbers[home.name])[0])
        if near is not None and near.isolated != crowd.isolated:
            netlink.run(settle_joint(near.name, isolated=crowd.isolated))

    def are_joined(self, crowd: Crowd, links: Sequence[Link]) -> bool:
        """Tell whether every further bridge of the network is joined to the first one."""
        mine = (crowd.network, crowd.bridge.name)
        further = [
            each
            for each in links
            if each.kind == "bridge" and parse_extended(self._instance, each.alias) == mine
        ]
        if not further:
            return True
        numbers = _number(crowd.network)
        return all(_is_joined(each, crowd, numbers.get(each.name, 0), links) for each in further)

    def delete(self, netlink: Netlink, network: Uid) -> None:
        """Remove the further bridges of a network, and what joins them."""
        self._roomy.pop(network, None)
        for link in self.read_family(netlink, network):
            netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)


def _count_ports(bridge: str) -> int:
    """Return the number of a bridge's ports, 0 where nobody tells."""
    try:
        return len(os.listdir(f"/sys/class/net/{bridge}/brif"))  # noqa: PTH208 - names
    except FileNotFoundError:
        return 0


def _number(network: Uid) -> dict[str, int]:
    """Return numbers of further bridges by their names."""
    return {derive_extension(network, number): number for number in range(1, _MOST)}


def _make_joint(netlink: Netlink, near: str, far: str) -> None:
    """Make the pair; what is left of one that somebody took apart goes first."""
    ends = [find_link(netlink, name=name) for name in (near, far)]
    for end in ends:
        if end is not None and None in ends:
            netlink.run(rtnetlink.delete_link(end.index), tolerate=_GONE)
    create = rtnetlink.create_veth(
        near, outer_mac=derive_outer_mac(near), inside=far, mac=derive_outer_mac(far)
    )
    netlink.run(create, tolerate=_EXISTS)


def _is_joined(extension: Link, crowd: Crowd, number: int, links: Sequence[Link]) -> bool:
    by_name = {link.name: link for link in links}
    near, far = (by_name.get(name) for name in derive_joint(crowd.network, number))
    return (
        extension.up
        and near is not None
        and far is not None
        and near.up
        and far.up
        and near.master_index == crowd.bridge.index
        and far.master_index == extension.index
        and crowd.mtu in (None, near.mtu)
        and near.mtu == far.mtu
    )
