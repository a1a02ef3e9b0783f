"""What to do for the parent link of a macvlan or ipvlan network: a VLAN or a dummy that hold makes, or a link of the host.

The host's own links are never changed: one that is missing or down is told by a condition, and waited for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.model.changes import Snapshot
from controller.model.facts import ParentFacts
from controller.model.ids import Uid
from controller.model.network import Network
from controller.model.network_drivers import find_parent, parse_vlan
from controller.model.resource import Condition
from controller.model.wants import ParentWant
from controller.plan.conditions import Reason, make_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureParent:
    """Make the link that containers' links hang below, or make it so again."""

    want: ParentWant

    def describe(self) -> str:
        want = self.want
        if want.vlan is None:
            return f"make dummy link {want.name}"
        return f"make link {want.name} for VLAN {want.vlan.id} of {want.vlan.lower}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteParent:
    """Remove a parent link that hold has made; with `heir`, a network that needs it too, it becomes that one's."""

    network: Uid
    name: str
    heir: Uid | None = None

    def describe(self) -> str:
        return (
            f"delete link {self.name}" if self.heir is None else f"leave link {self.name} to another network"
        )


ParentAction = EnsureParent | DeleteParent


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentPlan:
    """What to do about a network's parent, and the condition Ready that it comes to."""

    actions: tuple[ParentAction, ...]
    ready: Condition


def plan_parent(network: Network, present: Sequence[ParentFacts], heirs: Mapping[str, Uid]) -> ParentPlan:
    """Return what the network's parent needs.

    `present` are links of the names that it depends on, and those made for the network; `heirs` other networks by the
    parent that they hang below.
    """
    by_name = {facts.name: facts for facts in present}
    name = network.assigned.parent if network.assigned is not None else ""
    uid = Uid(network.metadata.uid or "")
    surplus = tuple(
        DeleteParent(network=uid, name=facts.name, heir=heirs.get(facts.name))
        for facts in present
        if facts.network == uid and facts.name != name
    )
    facts = by_name.get(name)
    want = derive_parent_want(network)
    if facts is not None and facts.network is None:
        return ParentPlan(actions=surplus, ready=_tell_state(facts))
    if want is None:
        message = f"the host has no link {name}: containers wait until it is there"
        ready = make_condition("Ready", Reason.PARENT_MISSING, message, holds=False)
        return ParentPlan(actions=surplus, ready=ready)
    if want.vlan is not None and want.vlan.lower not in by_name:
        message = f"the host has no link {want.vlan.lower} for VLAN {want.vlan.id}: containers wait until it is there"
        ready = make_condition("Ready", Reason.PARENT_MISSING, message, holds=False)
        return ParentPlan(actions=surplus, ready=ready)
    mend = () if facts is not None and is_parent(want, facts) else (EnsureParent(want=want),)
    return ParentPlan(actions=(*surplus, *mend), ready=make_condition("Ready", Reason.PRESENT, holds=True))


def _tell_state(facts: ParentFacts) -> Condition:
    """Tell of a link of the host: one that is down is there, but carries nothing."""
    message = (
        "" if facts.up else f"link {facts.name} is down: nothing gets through until somebody brings it up"
    )
    return make_condition("Ready", Reason.PRESENT, message, holds=True)


def derive_parent_want(network: Network) -> ParentWant | None:
    """Return the parent that hold has to make unless the host has it; None where only the host can have it."""
    name = network.assigned.parent if network.assigned is not None else ""
    uid = Uid(network.metadata.uid or "")
    if not find_parent(network.spec.driver_options):
        return ParentWant(network=uid, name=name, mtu=network.spec.mtu)
    vlan = parse_vlan(name)
    return ParentWant(network=uid, name=name, vlan=vlan) if vlan is not None else None


def is_parent(want: ParentWant, facts: ParentFacts) -> bool:
    """Tell whether the link is there just as wanted; one that was made for another network will do."""
    same = (facts.name, facts.vlan) == (want.name, want.vlan)
    return same and facts.up and want.mtu in (None, facts.mtu)


def list_parent_names(network: Network) -> tuple[str, ...]:
    """Return the links of the host that the network depends on: its parent, and what a VLAN is of."""
    name = network.assigned.parent if network.assigned is not None else ""
    if not name:
        return ()
    vlan = parse_vlan(name)
    return (name,) if vlan is None else (name, vlan.lower)


def needs_parents(network: Network) -> bool:
    """Tell whether links of the host matter to the network: it hangs below one, or did."""
    return bool(list_parent_names(network) or network.status.parent)


def select_parents(present: Sequence[ParentFacts], network: Network) -> tuple[ParentFacts, ...]:
    """Return the links that the network depends on, and those that were made for it."""
    if not needs_parents(network):
        return ()
    names, uid = list_parent_names(network), network.metadata.uid
    return tuple(facts for facts in present if facts.name in names or facts.network == uid)


def find_heirs(snapshot: Snapshot, network: Network) -> dict[str, Uid]:
    """Return the other networks that stay, by the parent that they hang below."""
    if not needs_parents(network):
        return {}
    return {
        other.assigned.parent: Uid(other.metadata.uid or "")
        for other in snapshot.values()
        if isinstance(other, Network)
        and other.assigned is not None
        and other.metadata.uid != network.metadata.uid
        and other.metadata.deleted_at is None
        and other.assigned.parent
    }
