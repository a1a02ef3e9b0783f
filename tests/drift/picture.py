"""What a host's network looks like, attribute by attribute, but for what no two links share: numbers and counters."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PASSING = frozenset(
    {
        "ifindex", "link_index", "link_netnsid", "link", "operstate", "stats64", "qdisc", "root_id", "bridge_id",
        "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "port_id", "designated_bridge",
        "designated_root", "message_age_timer", "forward_delay_timer", "hold_timer", "no", "id", "promiscuity",
        "allmulti", "root_port", "topology_change", "topology_change_detected", "valid_life_time", "preferred_life_time",
        "parentbus", "parentdev", "designated_port", "designated_cost", "root_path_cost", "inet6_addr_gen_mode", "metric",
        "dst_no", "temporary", "mngtmpaddr", "addr_gen_mode",
    }
)  # fmt: skip
"""Attributes that differ between two links made alike, or change while nobody touches them."""
_LINK_LOCAL = ("fe80:", "ff00:", "multicast")
"""Routes of links' own IPv6 addresses, which come by themselves in their own time."""
_SYSCTLS = ("forwarding", "route_localnet", "disable_ipv6")


def read_lines(*command: str) -> list[str]:
    """Return what a command prints; nothing when it fails."""
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    return answer.stdout.splitlines()


def read_json(*command: str) -> list[dict[str, Any]]:
    """Return what an `ip -json` command prints."""
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(answer.stdout or "[]")
    return found


def read_network(prefix: Sequence[str] = (), *, only: str = "") -> tuple[str, ...]:
    """Return links, addresses, routes of one namespace, those whose link's name begins with `only`, in order.

    `prefix` is a command that enters the namespace, such as nsenter with its options.
    """
    names = tuple(only.split()) if only else ""
    lines = [
        line
        for link in read_json(*prefix, "ip", "-json", "-details", "address", "show")
        if str(link["ifname"]).startswith(names)
        for line in _describe(str(link["ifname"]), link)
    ]
    lines += [
        f"route {family} {_render_route(route)}"
        for family in ("-4", "-6")
        for route in read_json(*prefix, "ip", family, "-json", "route", "show", "table", "all")
        if str(route.get("dev", "")).startswith(names) and not _comes_by_itself(route)
    ]
    return tuple(sorted(lines))


def _comes_by_itself(route: dict[str, Any]) -> bool:
    """Tell of routes that the kernel makes: an anycast one if it forwarded when the address was added."""
    return route.get("type") == "anycast" or str(route["dst"]).startswith(_LINK_LOCAL)


def _render_route(route: dict[str, Any]) -> str:
    shown = {
        name: value for name, value in route.items() if name not in ("metric", "pref", "flags", "expires")
    }
    return json.dumps(shown, sort_keys=True)


def _describe(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever JSON has
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in _PASSING:
                yield from _describe(f"{name} {key}", each)
    elif isinstance(value, list):
        for text in sorted(
            json.dumps(_strip(each), sort_keys=True) for each in value if not _is_own_address(each)
        ):
            yield f"{name} {text}"
    else:
        yield f"{name} {value}"


def _is_own_address(value: Any) -> bool:  # noqa: ANN401 - whatever JSON has
    """Tell whether it is a link's own IPv6 address, which comes by itself in its own time."""
    return isinstance(value, dict) and value.get("scope") == "link" and value.get("family") == "inet6"


def _strip(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    if isinstance(value, dict):
        return {key: _strip(each) for key, each in value.items() if key not in _PASSING}
    return value


def read_settings(links: Sequence[str]) -> tuple[str, ...]:
    """Return the kernel's settings that bridges depend on."""
    paths = [Path("/proc/sys/net/ipv4/ip_forward")]
    paths += [
        Path(f"/proc/sys/net/{family}/conf/{link}/{name}")
        for link in links
        for family in ("ipv4", "ipv6")
        for name in _SYSCTLS
    ]
    return tuple(f"{path} {path.read_text().strip()}" for path in paths if path.exists())


def read_rules() -> tuple[str, ...]:
    """Return chains and rules in order, without counters; chains of the kernel without their policies' counters."""
    return tuple(
        f"{program} {line.split(' [')[0]}"
        for program in ("iptables-save", "ip6tables-save")
        for line in read_lines(program)
        if line.startswith((":", "-", "*"))
    )
