"""Bytes that containers sent and received, read from the host's ends of their links: `Traffic(instance)`.

One request tells the counters of every link, whatever the number of containers (rtnetlink, RTM_GETSTATS). Whose a link
is stands in its alias, which is looked up when links come or go.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from controller.kernel.network.host_links import opened_netlink, parse_owner, read_links
from controller.kernel.network.netlink import Message, Netlink, parse_attributes
from controller.model.ids import Uid

RTM_GETSTATS = 94
_IFLA_STATS_LINK_64 = 1
_ONLY_LINK_64 = 1 << (_IFLA_STATS_LINK_64 - 1)
_STATS = struct.Struct("=BBHII")
_BYTES = struct.Struct("=16xQQ")
"""rx_bytes and tx_bytes of struct rtnl_link_stats64 (linux/if_link.h), after two counts of packets."""


class Bytes(NamedTuple):
    """As the container sees it."""

    received: int
    sent: int


class Traffic:
    """Reads counters; blocks shortly, for one thread at a time."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._owners: dict[int, Uid | None] = {}

    def read(self) -> Mapping[Uid, Bytes]:
        """Return the counters of every container that has links."""
        with opened_netlink() as netlink:
            counters = _read_counters(netlink)
            if counters.keys() != self._owners.keys():
                self._owners = {
                    link.index: parse_owner(self._instance, link.alias) if link.kind == "veth" else None
                    for link in read_links(netlink)
                }
        found: dict[Uid, Bytes] = {}
        for index, (host_received, host_sent) in counters.items():
            uid = self._owners.get(index)
            if uid is not None:
                known = found.get(uid, Bytes(0, 0))
                found[uid] = Bytes(known.received + host_sent, known.sent + host_received)
        return found


def _read_counters(netlink: Netlink) -> dict[int, tuple[int, int]]:
    """Return bytes received and sent by link index."""
    request = Message(kind=RTM_GETSTATS, body=_STATS.pack(0, 0, 0, 0, _ONLY_LINK_64))
    counters = {}
    for answer in netlink.dump(request):
        _, _, _, index, _ = _STATS.unpack_from(answer.body)
        data = parse_attributes(answer.body, _STATS.size).get(_IFLA_STATS_LINK_64, bytes(_BYTES.size))
        counters[index] = _BYTES.unpack_from(data)
    return counters
