"""Settings of bridges that the kernel announces no change of (sysctl): looked at now and then, which is cheap.

Forwarding and the like are told by netlink (NETCONF); a change of these here is found within `LOOK_INTERVAL_S`.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

LOOK_INTERVAL_S = 5.0
_PLACES = ("ipv4/conf/{}/route_localnet", "ipv6/conf/{}/accept_ra", "ipv6/conf/{}/accept_dad")


class SettingChanges:
    """Remembers what the settings were; blocking, for a thread."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, ...]] = {}

    def look(self, bridges: Collection[str]) -> list[str]:
        """Return those bridges whose settings have changed since the last look; one that is new counts as unchanged."""
        found = {name: tuple(_read_settings(name)) for name in bridges}
        before, self._seen = self._seen, found
        return [name for name, values in found.items() if before.get(name, values) != values]


def _read_settings(bridge: str) -> Iterator[str]:
    for place in _PLACES:
        try:
            yield Path("/proc/sys/net", place.format(bridge)).read_text().strip()
        except OSError:  # gone meanwhile, or a kernel without it
            yield ""
