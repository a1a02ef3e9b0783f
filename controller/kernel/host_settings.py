"""Settings of the host's kernel that networks need (sysctl): forwarding, and what is special about our bridges."""

from collections.abc import Iterator, Mapping
from pathlib import Path

_IPV4, _IPV6 = Path("/proc/sys/net/ipv4"), Path("/proc/sys/net/ipv6/conf")
_FROM_ROUTER = 0x00010000 | 0x00040000
"""Flags of a default route that came by autoconfiguration: RTF_DEFAULT, RTF_ADDRCONF (linux/ipv6_route.h)."""
_HEARS_ROUTERS, _HEARS_ROUTERS_ALWAYS = "1", "2"


def configure_host(bridge: str, *, ipv4: bool, ipv6: bool) -> None:
    """Let the host route the families of a bridge.

    With IPv4, the host's own 127.0.0.1 leads into the bridge (the firewall keeps others from using that). Without IPv6,
    that is off; with it, containers can't pose as routers.
    """
    if ipv4:
        _write({_IPV4 / "ip_forward": "1"})
    _write({_IPV4 / f"conf/{bridge}/route_localnet": "1" if ipv4 else "0"})
    if ipv6:
        _let_ipv6_route()
        _write({_IPV6 / f"{bridge}/{name}": "0" for name in ("accept_ra", "accept_dad", "disable_ipv6")})
    else:
        _write({_IPV6 / f"{bridge}/disable_ipv6": "1"})


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


def _write(settings: Mapping[Path, str]) -> None:
    for setting, value in settings.items():
        if setting.exists() and setting.read_text().strip() != value:
            setting.write_text(value)
