"""What to do for a network that a plugin makes: the network, and the ends of containers that are not on it any more."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass, replace

from controller.model.ids import Uid
from controller.model.network import Network
from controller.model.network_drivers import BUILT_IN_DRIVERS, is_plugin
from controller.model.plugins import DrivenNetwork, DrivenNetworkFacts
from controller.model.resource import Condition
from controller.plan.conditions import Reason, make_condition
from controller.plan.driver_loss import describe_leftover, goes_without


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureDrivenNetwork:
    """Let the plugin make the network, or make it so again."""

    want: DrivenNetwork

    def describe(self) -> str:
        return f"let plugin {self.want.driver} make the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveEndpoint:
    """Let the plugin remove what it made for a container that is not on the network any more."""

    network: DrivenNetwork
    container: Uid

    def describe(self) -> str:
        return f"let plugin {self.network.driver} remove the end of container {self.container[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDrivenNetwork:
    """Let the plugin remove the network."""

    want: DrivenNetwork

    def describe(self) -> str:
        return f"let plugin {self.want.driver} remove the network"


DrivenNetworkAction = EnsureDrivenNetwork | RemoveEndpoint | RemoveDrivenNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenNetworkPlan:
    """What the plugin is asked to do, and the condition Ready that it comes to.

    `leftover` is the warning when the network goes without the plugin.
    """

    actions: tuple[DrivenNetworkAction, ...]
    ready: Condition
    is_fault: bool = False
    leftover: str = ""


def derive_driven_network(network: Network) -> DrivenNetwork | None:
    """Return what a plugin is asked to make; None for other drivers."""
    spec, assigned = network.spec, network.assigned
    if not is_plugin(spec.driver) or assigned is None:
        return None
    places = ((assigned.subnet, assigned.gateway), (assigned.ipv6_subnet, assigned.ipv6_gateway))
    return DrivenNetwork(
        driver=spec.driver,
        uid=Uid(network.metadata.uid or ""),
        name=network.metadata.name,
        options=spec.driver_options,
        subnets=tuple((subnet, gateway) for subnet, gateway in places if subnet),
        internal=spec.internal,
        mtu=spec.mtu,
    )


def plan_driven_network(
    want: DrivenNetwork, facts: DrivenNetworkFacts, users: Collection[Uid]
) -> DrivenNetworkPlan:
    """Return what the plugin is asked to do for a network that stays; `users` are containers that run, or are about to."""
    if facts.fault:
        near = difflib.get_close_matches(want.driver, BUILT_IN_DRIVERS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        ready = make_condition("Ready", Reason.DRIVER_UNAVAILABLE, f"{facts.fault}{hint}", holds=False)
        return DrivenNetworkPlan(actions=(), ready=ready, is_fault=True)
    actions: tuple[DrivenNetworkAction, ...] = () if facts.current else (EnsureDrivenNetwork(want=want),)
    actions += tuple(
        RemoveEndpoint(network=want, container=uid) for uid in sorted(facts.endpoints.difference(users))
    )
    return DrivenNetworkPlan(actions=actions, ready=make_condition("Ready", Reason.PRESENT, holds=True))


def plan_driven_removal(
    network: Network, want: DrivenNetwork, facts: DrivenNetworkFacts
) -> DrivenNetworkPlan:
    """Return what the plugin is asked to do for a network that no container names any more.

    One that it was never asked to make is gone without it.
    """
    gone = make_condition("Ready", Reason.DELETED, holds=False)
    if facts.fault and not network.status.driver:
        return DrivenNetworkPlan(actions=(), ready=gone)
    if goes_without(network.assigned, network.status, fault=facts.fault):
        leftover = describe_leftover(want.driver, "network", facts.fault)
        return DrivenNetworkPlan(actions=(), ready=gone, leftover=leftover)
    if facts.fault:
        ready = make_condition("Ready", Reason.NOT_DELETED, facts.fault, holds=False)
        return DrivenNetworkPlan(actions=(), ready=ready, is_fault=True)
    actions: tuple[DrivenNetworkAction, ...] = tuple(
        RemoveEndpoint(network=want, container=uid) for uid in sorted(facts.endpoints)
    )
    actions += (RemoveDrivenNetwork(want=want),) if facts.present else ()
    return DrivenNetworkPlan(actions=actions, ready=gone)


def advance_driven_network(
    facts: DrivenNetworkFacts | None, action: DrivenNetworkAction
) -> DrivenNetworkFacts:
    """Return what the plugin will tell after `action`."""
    before = facts or DrivenNetworkFacts()
    match action:
        case EnsureDrivenNetwork():
            return replace(before, present=True, current=True)
        case RemoveEndpoint(container=container):
            return replace(before, endpoints=before.endpoints - {container})
        case RemoveDrivenNetwork():
            return DrivenNetworkFacts()
