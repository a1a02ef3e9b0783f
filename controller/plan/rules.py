"""The host's rules from networks and containers: `RulesRenderer(instance)` keeps what it has made of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.model.container import Container
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.model.wants import FirewallNetwork, FirewallPort, FirewallWant
from controller.plan.exposure import list_firewall_networks, list_firewall_ports
from controller.plan.firewall import render_firewall

_Context = tuple[tuple[str, NetworkSpec, NetworkAssigned | None], ...]
"""What ports depend on besides their container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    """A container as it was seen, and the ports that came of it."""

    container: Container
    ports: tuple[FirewallPort, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """What the latest rules were made from, and they."""

    networks: tuple[FirewallNetwork, ...]
    ports: tuple[FirewallPort, ...]
    want: FirewallWant


class RulesRenderer:
    """Renders rules; of containers that are as they were the last time, nothing is done again."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._context: _Context = ()
        self._known: dict[str, _Published] = {}
        self._latest: _Rendered | None = None

    def render(self, networks: Mapping[str, Network], containers: Sequence[Container]) -> FirewallWant:
        """Return every rule of the instance; the order of networks and containers makes no difference."""
        bridged = tuple(list_firewall_networks(networks.values(), containers))
        ports = tuple(self._list_ports(networks, containers))
        latest = self._latest
        if latest is None or latest.networks != bridged or latest.ports != ports:
            want = render_firewall(bridged, ports, instance=self._instance)
            latest = self._latest = _Rendered(networks=bridged, ports=ports, want=want)
        return latest.want

    def _list_ports(
        self, networks: Mapping[str, Network], containers: Sequence[Container]
    ) -> Iterator[FirewallPort]:
        context = tuple((name, each.spec, each.assigned) for name, each in networks.items())
        known = self._known if self._context == context else {}
        self._context, self._known = context, {}
        for container in containers:
            if container.assigned is None or not container.assigned.ports:
                continue
            uid = container.metadata.uid or ""
            published = known.get(uid)
            if published is None or published.container is not container:
                ports = tuple(list_firewall_ports(networks, (container,)))
                published = _Published(container=container, ports=ports)
            self._known[uid] = published
            yield from published.ports
