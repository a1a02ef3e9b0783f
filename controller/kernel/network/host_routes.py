"""The routes of the host as pyroute2 reads them, of every make: `read_routes()`."""

import re
import socket
from dataclasses import dataclass

_MAIN_TABLE = 254
_UNICAST = 1
_LINK_LOCAL = re.compile(r"fe[89ab][0-9a-f]:")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoute:
    """One route: its destination as CIDR, the link it leaves by (0 when it has several)."""

    destination: str
    index: int


def read_routes() -> tuple[HostRoute, ...]:
    """Return the unicast routes of the main table in the calling thread's namespace, of IPv4 and IPv6.

    Not the default ones, nor link-local ones of IPv6. OSError has the kernel's errno. To be called in a thread:
    pyroute2 runs an event loop of its own.
    """
    # pyroute2 takes a seventh of a second and 9 MB to import, and only the first declared network needs it.
    from pyroute2 import IPRoute  # noqa: PLC0415
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        with IPRoute() as netlink:
            routes = [
                HostRoute(
                    destination=f"{message.get_attr('RTA_DST')}/{message['dst_len']}",
                    index=message.get_attr("RTA_OIF") or 0,
                )
                for family in (socket.AF_INET, socket.AF_INET6)
                for message in netlink.get_routes(family=family, table=_MAIN_TABLE)
                if message["type"] == _UNICAST and message["dst_len"] > 0
            ]
    except NetlinkError as error:
        raise OSError(*error.args) from error
    return tuple(route for route in routes if not _LINK_LOCAL.match(route.destination))
