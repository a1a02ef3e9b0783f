"""What there is to draw: networks, containers, and the places that containers have on networks."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cli.addresses import render_ports

_HOST = "host"
_NONE = "none"
_SHARED = "container:"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnNetwork:
    """A network with what is said of it; `is_real` is false for ways to do without one."""

    name: str
    driver: str = ""
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    link: str = ""
    internal: bool = False
    is_real: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnContainer:
    """A container; `places` are networks with its addresses there, none while it has none.

    `shares` is the container whose network it uses, empty for none.
    """

    name: str
    phase: str
    ports: tuple[str, ...] = ()
    places: tuple[tuple[str, tuple[str, ...]], ...] = ()
    shares: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMap:
    """All that is drawn, in the order of names."""

    networks: tuple[DrawnNetwork, ...]
    containers: tuple[DrawnContainer, ...]

    def list_members(self, network: str) -> Iterator[tuple[DrawnContainer, tuple[str, ...]]]:
        """Yield the containers on a network with their addresses there."""
        for container in self.containers:
            for name, addresses in container.places:
                if name == network:
                    yield container, addresses


def draw_map(
    networks: Iterable[Mapping[str, Any]],
    containers: Iterable[Mapping[str, Any]],
    *,
    only: Collection[str],
    whole: bool,
) -> NetworkMap:
    """Return what there is to draw; of networks `only` those, where any are named, and unless `whole` those in use."""
    drawn = [_draw_container(each) for each in sorted(containers, key=_name)]
    if only:
        drawn = _keep_near([_keep_places(each, only) for each in drawn])
    used = {name for container in drawn for name, _ in container.places}
    shown = [_draw_network(each) for each in sorted(networks, key=_name)]
    kept = [each for each in shown if (not only or each.name in only) and (whole or each.name in used)]
    without = [
        DrawnNetwork(name=name, is_real=False)
        for name in (_HOST, _NONE)
        if name in used and name not in {each.name for each in shown}
    ]
    return NetworkMap(networks=(*kept, *without), containers=tuple(drawn))


def _name(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["name"])


def _keep_places(container: DrawnContainer, only: Collection[str]) -> DrawnContainer:
    return DrawnContainer(
        name=container.name,
        phase=container.phase,
        ports=container.ports,
        places=tuple(place for place in container.places if place[0] in only),
        shares=container.shares,
    )


def _keep_near(containers: Sequence[DrawnContainer]) -> list[DrawnContainer]:
    """Return those with a place, and those that share one's network."""
    near = {each.name for each in containers if each.places}
    return [each for each in containers if each.places or each.shares in near]


def _draw_network(document: Mapping[str, Any]) -> DrawnNetwork:
    spec, status = document.get("spec", {}), document.get("status", {})
    return DrawnNetwork(
        name=_name(document),
        driver=spec.get("driver") or "bridge",
        subnets=_list_filled(status, "subnet", "ipv6Subnet"),
        gateways=_list_filled(status, "gateway", "ipv6Gateway"),
        link=status.get("bridge") or status.get("parent") or "",
        internal=bool(spec.get("internal")),
    )


def _draw_container(document: Mapping[str, Any]) -> DrawnContainer:
    spec, status = document.get("spec", {}), document.get("status", {})
    mode = str(spec.get("networkMode", ""))
    found = {each["name"]: _list_filled(each, "ipv4", "ipv6") for each in status.get("networks", [])}
    names = list(dict.fromkeys([*(each["name"] for each in spec.get("networks", [])), *found]))
    if not names and mode in (_HOST, _NONE):
        names = [mode]
    return DrawnContainer(
        name=_name(document),
        phase=status.get("phase", "Pending"),
        ports=tuple(render_ports(status)),
        places=tuple((name, found.get(name, ())) for name in names),
        shares=mode.removeprefix(_SHARED) if mode.startswith(_SHARED) else "",
    )


def _list_filled(document: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    return tuple(document[field] for field in fields if document.get(field))
