"""What to do for one network: its bridge, or the parent of its links."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.facts import BridgeFacts, ParentFacts
from controller.model.ids import Uid
from controller.model.network import Network, NetworkStatus
from controller.model.network_drivers import BRIDGE, DEFAULT_MTU, is_plugin
from controller.model.plugins import DrivenNetworkFacts
from controller.model.resource import Condition
from controller.model.wants import BridgeWant
from controller.plan.base import Plan
from controller.plan.conditions import Reason, date_conditions, make_condition
from controller.plan.driven_network import (
    EnsureDrivenNetwork,
    RemoveDrivenNetwork,
    RemoveEndpoint,
    derive_driven_network,
    plan_driven_network,
    plan_driven_removal,
)
from controller.plan.driven_volume import ASK_AGAIN_S
from controller.plan.driver_loss import tell_end
from controller.plan.parents import DeleteParent, EnsureParent, plan_parent


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureBridge:
    """Make the bridge, or make it so again."""

    want: BridgeWant

    def describe(self) -> str:
        return f"make bridge {self.want.name} with {' and '.join(self.want.addresses)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBridge:
    """Remove the bridge."""

    network: Uid
    name: str

    def describe(self) -> str:
        return f"delete bridge {self.name}"


NetworkAction = (
    EnsureBridge
    | DeleteBridge
    | EnsureParent
    | DeleteParent
    | EnsureDrivenNetwork
    | RemoveDrivenNetwork
    | RemoveEndpoint
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDesired:
    """A network; `users` are containers that name it, those on their way out included.

    `heirs` are other networks, by the parent that they hang below. `joined` are the users that run, or are about to.
    """

    network: Network
    users: tuple[str, ...] = ()
    heirs: Mapping[str, Uid] = field(default_factory=dict)
    joined: frozenset[Uid] = frozenset()

    @property
    def uid(self) -> Uid:
        return Uid(self.network.metadata.uid or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkObserved:
    """What the kernel has of one network. `names_served` tells whether a name server answers on it as it should.

    `parents` are links of the names that it depends on, whoever has made them, and those that were made for it. `driven`
    is what the plugin tells that makes it; None where none does, and before it was asked.
    """

    bridges: tuple[BridgeFacts, ...] = ()
    parents: tuple[ParentFacts, ...] = ()
    driven: DrivenNetworkFacts | None = None
    names_served: bool = False


def plan_network(
    desired: NetworkDesired, observed: NetworkObserved, now: datetime
) -> Plan[NetworkAction, NetworkStatus]:
    """Return the next steps for a network. A deleted one keeps its bridge until the last container is gone."""
    network = desired.network
    if network.metadata.deleted_at is not None:
        return _plan_removal(desired, observed, now)
    if is_plugin(network.spec.driver):
        return _plan_driven(desired, observed, now)
    if network.spec.driver != BRIDGE:
        return _plan_below_parent(desired, observed, now)
    want = derive_bridge_want(network)
    others: tuple[NetworkAction, ...] = (
        *_list_parent_removals(desired, observed),
        *_list_bridge_removals(desired, observed, but=want.name),
    )
    mend = () if any(is_bridge(want, facts) for facts in observed.bridges) else (EnsureBridge(want=want),)
    conditions = [make_condition("Ready", Reason.PRESENT, holds=True)]
    conditions.append(_tell_names(observed))
    status = _derive_status(network, conditions, now)
    return Plan(actions=(*others, *mend), status=status)


def _plan_below_parent(
    desired: NetworkDesired, observed: NetworkObserved, now: datetime
) -> Plan[NetworkAction, NetworkStatus]:
    network, parent = desired.network, plan_parent(desired.network, observed.parents, desired.heirs)
    status = _derive_status(network, [parent.ready, _tell_names(observed)], now)
    return Plan(actions=(*_list_bridge_removals(desired, observed), *parent.actions), status=status)


def _plan_driven(
    desired: NetworkDesired, observed: NetworkObserved, now: datetime
) -> Plan[NetworkAction, NetworkStatus]:
    want = derive_driven_network(desired.network)
    if want is None:
        return Plan(actions=(), status=desired.network.status)
    plan = plan_driven_network(want, observed.driven or DrivenNetworkFacts(), desired.joined)
    others: tuple[NetworkAction, ...] = (
        *_list_bridge_removals(desired, observed),
        *_list_parent_removals(desired, observed),
    )
    status = _derive_status(desired.network, [plan.ready, _tell_names(observed)], now)
    if not plan.is_fault:
        status = status.model_copy(update={"driver": want.driver})
    return Plan(
        actions=(*others, *plan.actions),
        status=status,
        requeue_after_s=ASK_AGAIN_S if plan.is_fault else None,
        is_asked_for=not others and all(isinstance(action, RemoveEndpoint) for action in plan.actions),
    )


def _tell_names(observed: NetworkObserved) -> Condition:
    served = Reason.SERVED if observed.names_served else Reason.NOT_SERVED
    return make_condition("NamesServed", served, holds=observed.names_served)


def _derive_status(network: Network, conditions: list[Condition], now: datetime) -> NetworkStatus:
    assigned = network.assigned
    return network.status.model_copy(
        update={
            "observed_generation": network.metadata.generation,
            "conditions": date_conditions(network.status, conditions, now),
            "bridge": assigned.bridge if assigned is not None else "",
            "parent": assigned.parent if assigned is not None else "",
            "subnet": assigned.subnet if assigned is not None else "",
            "gateway": assigned.gateway if assigned is not None else "",
            "ipv6_subnet": assigned.ipv6_subnet if assigned is not None else "",
            "ipv6_gateway": assigned.ipv6_gateway if assigned is not None else "",
        }
    )


def _list_bridge_removals(
    desired: NetworkDesired, observed: NetworkObserved, *, but: str = ""
) -> tuple[DeleteBridge, ...]:
    return tuple(
        DeleteBridge(network=desired.uid, name=facts.name) for facts in observed.bridges if facts.name != but
    )


def _list_parent_removals(desired: NetworkDesired, observed: NetworkObserved) -> tuple[DeleteParent, ...]:
    return tuple(
        DeleteParent(network=desired.uid, name=facts.name, heir=desired.heirs.get(facts.name))
        for facts in observed.parents
        if facts.network == desired.uid
    )


def _plan_removal(
    desired: NetworkDesired, observed: NetworkObserved, now: datetime
) -> Plan[NetworkAction, NetworkStatus]:
    status = desired.network.status
    if desired.users:
        message = f"used by {', '.join(desired.users)}"
        waiting = make_condition("Ready", Reason.WAITING_FOR_CONTAINERS, message, holds=False)
        update = {"conditions": date_conditions(status, [waiting], now)}
        return Plan(actions=(), status=status.model_copy(update=update))
    actions: tuple[NetworkAction, ...] = (
        *_list_bridge_removals(desired, observed),
        *_list_parent_removals(desired, observed),
    )
    want = derive_driven_network(desired.network)
    leftover = ""
    if want is not None:
        plan = plan_driven_removal(desired.network, want, observed.driven or DrivenNetworkFacts())
        if plan.is_fault:
            update = {"conditions": date_conditions(status, [plan.ready], now)}
            return Plan(actions=(), status=status.model_copy(update=update), requeue_after_s=ASK_AGAIN_S)
        actions, leftover = (*actions, *plan.actions), plan.leftover
    end = tell_end(leftover, is_gone=not actions)
    update = {"conditions": date_conditions(status, [end.ready], now)}
    return Plan(actions=actions, status=status.model_copy(update=update), notes=end.notes, gone=not actions)


def derive_bridge_want(network: Network) -> BridgeWant:
    """Return the bridge of a network that has been admitted."""
    assigned = network.assigned
    if assigned is None:
        return BridgeWant(network=Uid(network.metadata.uid or ""), name="", address="")
    return BridgeWant(
        network=Uid(network.metadata.uid or ""),
        name=assigned.bridge,
        address=with_prefix(assigned.gateway, assigned.subnet),
        ipv6_address=with_prefix(assigned.ipv6_gateway, assigned.ipv6_subnet),
        mtu=network.spec.mtu or DEFAULT_MTU,
    )


def with_prefix(address: str, subnet: str) -> str:
    """Return an address with the length of its subnet's prefix, as links have it; empty without one."""
    return f"{address}/{subnet.partition('/')[2]}" if address else ""


def is_bridge(want: BridgeWant, facts: BridgeFacts) -> bool:
    """Tell whether the bridge is there just as wanted."""
    return (
        facts.name == want.name
        and facts.up
        and facts.sound
        and facts.addresses == want.addresses
        and want.mtu in (None, facts.mtu)
    )
