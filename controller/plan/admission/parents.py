"""Parents of macvlan and ipvlan networks: which link each hangs below, and who may share one."""

from collections.abc import Iterator

from controller.errors import AlreadyExists, Invalid
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.names import derive_bridge
from controller.model.network import Network, NetworkSpec
from controller.model.network_drivers import (
    MACVLAN,
    MOST_VLAN_ID,
    Sublink,
    derive_sublink,
    find_parent,
    parse_vlan,
)
from controller.plan.admission.findings import Findings, suggest
from controller.plan.admission.intents import Intent
from controller.plan.admission.references import World

_PATH = "spec.driverOptions.parent"


class ParentAssigner:
    """Gives networks their parents. The kernel has one kind of links below a parent, and one mode of ipvlan."""

    def __init__(self, world: World, host: HostFacts, findings: Findings) -> None:
        self._world = world
        self._host = host
        self._findings = findings
        self._present: dict[Key, Sublink] | None = None

    def choose(self, intent: Intent, spec: NetworkSpec) -> str:
        """Return the network's parent, empty for other drivers; without one named, a link that hold makes."""
        named = find_parent(spec.driver_options)
        sublink = derive_sublink(spec.driver, spec.driver_options, named or derive_bridge(intent.uid))
        if sublink is None:
            return ""
        others = self._index_others()
        stored = intent.stored.assigned if isinstance(intent.stored, Network) else None
        if named and (stored is None or stored.parent != named):
            self._check_there(intent.key, named, {other.parent for other in others.values()})
        for key, other in others.items():
            fault = _find_clash(sublink, other, key) if key != intent.key else ""
            if fault:
                self._findings.add(AlreadyExists, intent.key, _PATH, fault)
                break
        others[intent.key] = sublink
        return sublink.parent

    def _check_there(self, key: Key, name: str, used: set[str]) -> None:
        """Find out a parent that the host does not have, now that somebody looks; one that goes later is waited for."""
        links = self._host.link_names | used
        if name in links:
            return
        vlan = parse_vlan(name)
        lower, dot, number = name.rpartition(".")
        if vlan is not None and vlan.lower in links:
            return
        if dot and lower in links and number.isdigit():
            message = f"{name} is no VLAN of {lower}: the number after the dot has to be 1 to {MOST_VLAN_ID}"
            self._findings.add(Invalid, key, _PATH, message)
            return
        missing = vlan.lower if vlan is not None else name
        hint = suggest(missing, links) or f"; it has {', '.join(sorted(links)[:10]) or 'none'}"
        self._findings.add(Invalid, key, _PATH, f"the host has no link {missing}{hint}")

    def _index_others(self) -> dict[Key, Sublink]:
        if self._present is None:
            self._present = dict(_list_present(self._world))
        return self._present


def _list_present(world: World) -> Iterator[tuple[Key, Sublink]]:
    for key, resource in world.snapshot.items():
        if not isinstance(resource, Network) or key in world.intents or key in world.leaving:
            continue
        parent = resource.assigned.parent if resource.assigned is not None else ""
        sublink = derive_sublink(resource.spec.driver, resource.spec.driver_options, parent)
        if sublink is not None:
            yield key, sublink


def _find_clash(one: Sublink, other: Sublink, key: Key) -> str:
    """Return why the two can't hang below one parent, nothing when they can."""
    if one.parent != other.parent:
        return ""
    if one.kind != other.kind:
        return f"{one.parent} carries the {other.kind} links of {key}, and can't carry {one.kind} too: use another"
    if one.kind == MACVLAN:
        if "passthru" in (one.mode, other.mode):
            return f"{one.parent} is the parent of {key}, and passthru shares its parent with nobody: use another"
        return ""
    if (one.mode, one.flag) != (other.mode, other.flag):
        return (
            f"{one.parent} carries the ipvlan links of {key} in mode {other.mode} {other.flag}, and all links below "
            f"one parent have the same: use that mode, or another parent"
        )
    return ""
