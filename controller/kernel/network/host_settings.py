"""Settings of the host's kernel that networks need (sysctl): forwarding, and what is special about our bridges."""

from collections.abc import Iterator
from pathlib import Path

_IPV4, _IPV6 = Path("/proc/sys/net/ipv4"), Path("/proc/sys/net/ipv6/conf")
_FROM_ROUTER = 0x00010000 | 0x00040000
"""Flags of a default route that came by autoconfiguration: RTF_DEFAULT, RTF_ADDRCONF (linux/ipv6_route.h)."""
_ROOM = {
    "ipv4/neigh/default/gc_thresh3": 65536,
    "ipv4/neigh/default/gc_thresh2": 32768,
    "ipv4/neigh/default/gc_thresh1": 16384,
    "core/netdev_max_backlog": 16384,
}
_NO_ANSWERS = "8"
"""Value of arp_ignore: answer for no address (kernel, networking/ip-sysctl)."""
_HEARS_ROUTERS, _HEARS_ROUTERS_ALWAYS = "1", "2"


def has_ipv6() -> bool:
    """Tell whether the kernel has IPv6 at all."""
    return _IPV6.exists()


def configure_host(bridge: str, *, ipv4: bool, ipv6: bool) -> None:
    """Let the host route the families of a bridge.

    With IPv4, the host's own 127.0.0.1 leads into the bridge (the firewall keeps others from using that). Without IPv6,
    that is off; with it, containers can't pose as routers.
    """
    if ipv6:
        _let_ipv6_route()
    for setting, value in _list_settings(bridge, ipv4=ipv4, ipv6=ipv6).items():
        if not _is_set(setting, value):
            setting.write_text(value)


def make_room_for_crowds() -> None:
    """Let the kernel know as many neighbours as a network of thousands has, and not lose what is sent to all of them.

    By default it forgets beyond 1,024, and has room for 1,000 frames. The limits are the whole machine's, whatever network
    namespace the neighbours are in; where that is not the first one, they can't be changed.
    """
    for name, least in _ROOM.items():
        setting = Path("/proc/sys/net", name)
        if setting.exists() and int(setting.read_text()) < least:
            setting.write_text(str(least))


def configure_extension(bridge: str) -> None:
    """Let a further bridge have no part in IP: else it answers for the host's addresses in place of the first bridge."""
    configure_host(bridge, ipv4=False, ipv6=False)
    (_IPV4 / f"conf/{bridge}/arp_ignore").write_text(_NO_ANSWERS)


def is_host_configured(bridge: str, *, ipv4: bool, ipv6: bool) -> bool:
    """Tell whether the host is as `configure_host` leaves it."""
    routes_ipv6 = not ipv6 or _is_set(_IPV6 / "all/forwarding", "1")
    settings = _list_settings(bridge, ipv4=ipv4, ipv6=ipv6)
    return routes_ipv6 and all(_is_set(setting, value) for setting, value in settings.items())


def _list_settings(bridge: str, *, ipv4: bool, ipv6: bool) -> dict[Path, str]:
    """Return what the host's settings have to be, in the order in which they are made so."""
    settings = {_IPV4 / "ip_forward": "1", _IPV4 / f"conf/{bridge}/forwarding": "1"} if ipv4 else {}
    settings[_IPV4 / f"conf/{bridge}/route_localnet"] = "1" if ipv4 else "0"
    if ipv6:
        settings |= {_IPV6 / f"{bridge}/{name}": "0" for name in ("accept_ra", "accept_dad")}
        settings[_IPV6 / f"{bridge}/forwarding"] = "1"
    settings[_IPV6 / f"{bridge}/disable_ipv6"] = "0" if ipv6 else "1"
    return settings


def _is_set(setting: Path, value: str) -> bool:
    """Tell whether a setting has a value; one that the kernel lacks counts."""
    try:
        return setting.read_text().strip() == value
    except FileNotFoundError:
        return True


def _let_ipv6_route() -> None:
    """Turn forwarding on; links with a default route from a router go on hearing it.

    A host that forwards takes no more notice of router advertisements, and drops the default routes that it has from
    them, but on links where that is asked for expressly (kernel, networking/ip-sysctl, accept_ra).
    """
    forwarding = _IPV6 / "all/forwarding"
    if not forwarding.exists() or forwarding.read_text().strip() == "1":
        return
    for name in sorted(set(_list_routed_links())):
        setting = _IPV6 / f"{name}/accept_ra"
        if setting.read_text().strip() == _HEARS_ROUTERS:
            setting.write_text(_HEARS_ROUTERS_ALWAYS)
    forwarding.write_text("1")


def _list_routed_links() -> Iterator[str]:
    """Yield links with a default route that a router's advertisement has brought."""
    for line in Path("/proc/thread-self/net/ipv6_route").read_text().splitlines():
        fields = line.split()
        if int(fields[8], 16) & _FROM_ROUTER == _FROM_ROUTER:
            yield fields[9]
