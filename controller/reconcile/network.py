"""Networks: what is observed of one, and how each step is carried out."""

from datetime import datetime
from typing import assert_never

from controller.errors import HoldError
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.facts import BridgeFacts
from controller.model.ids import Uid
from controller.model.kinds import key_of
from controller.model.network import Network, NetworkStatus
from controller.model.network_drivers import is_plugin
from controller.model.plugins import DrivenNetworkFacts
from controller.plan.base import Plan
from controller.plan.conditions import Reason, list_setback
from controller.plan.driven_network import (
    DrivenNetworkAction,
    EnsureDrivenNetwork,
    RemoveDrivenNetwork,
    RemoveEndpoint,
    derive_driven_network,
)
from controller.plan.host import is_reachable
from controller.plan.network import (
    DeleteBridge,
    EnsureBridge,
    NetworkAction,
    NetworkDesired,
    NetworkObserved,
    plan_network,
)
from controller.plan.parents import (
    DeleteParent,
    EnsureParent,
    find_heirs,
    needs_parents,
    select_parents,
)
from controller.ports import KernelPorts
from controller.reconcile.publication import Publication
from controller.reconcile.references import References
from controller.reconcile.world import World


class NetworkReconciler:
    """The loop's part for networks."""

    def __init__(self, kernel: KernelPorts, references: References, publication: Publication) -> None:
        self._kernel = kernel
        self._references = references
        self._publication = publication

    def gather(self, snapshot: Snapshot, resource: Network) -> NetworkDesired:
        """Return what is wanted, and by whom it is used, which counts for one that is to go."""
        leaving = resource.metadata.deleted_at is not None
        return NetworkDesired(
            network=resource,
            users=self._references.list_users(snapshot, key_of(resource)) if leaving else (),
            heirs=find_heirs(snapshot, resource),
            joined=self._find_joined(snapshot, resource),
        )

    def _find_joined(self, snapshot: Snapshot, network: Network) -> frozenset[Uid]:
        """Return the containers that are on a plugin's network, or about to be: nobody else knows of the others."""
        if not is_plugin(network.spec.driver):
            return frozenset()
        users = (snapshot.get(key) for key in self._references.find_users(key_of(network)))
        return frozenset(
            Uid(user.metadata.uid or "")
            for user in users
            if isinstance(user, Container) and is_reachable(user)
        )

    def plan(
        self, desired: NetworkDesired, observed: NetworkObserved, now: datetime
    ) -> Plan[NetworkAction, NetworkStatus]:
        """Decide."""
        return plan_network(desired, observed, now)

    def explain_failure(
        self, desired: NetworkDesired, action: NetworkAction, error: HoldError, now: datetime
    ) -> NetworkStatus:
        """Return the status after a step failed."""
        network, status = desired.network, desired.network.status
        message = f"{action.describe()}: {error.message}"
        reason = Reason.NOT_DELETED if network.metadata.deleted_at is not None else type(error).__name__
        conditions = list_setback(status, reason, message, now)
        return status.model_copy(update={"conditions": conditions})

    async def observe(self, desired: NetworkDesired) -> NetworkObserved:
        """Look at one network."""
        served = self._publication.is_served(desired.network)
        parents = await self._kernel.parents.list() if needs_parents(desired.network) else ()
        return NetworkObserved(
            bridges=await self._find_bridges(desired),
            parents=select_parents(parents, desired.network),
            names_served=served,
            driven=await self._ask_driver(desired),
        )

    async def _find_bridges(self, desired: NetworkDesired) -> tuple[BridgeFacts, ...]:
        """Return the network's bridge. What it has under other names is found by resyncs, and removed with the making."""
        assigned = desired.network.assigned
        if assigned is None or not assigned.bridge:
            return tuple(facts for facts in await self._kernel.bridges.list() if facts.network == desired.uid)
        facts = await self._kernel.bridges.read(desired.uid, assigned.bridge)
        return (facts,) if facts is not None else ()

    async def recall(self, desired: NetworkDesired, world: World) -> NetworkObserved:
        """Find one network in what a resync has read."""
        return NetworkObserved(
            bridges=world.bridges.get(desired.uid, ()),
            parents=select_parents(world.parents, desired.network),
            names_served=self._publication.is_served(desired.network),
            driven=await self._ask_driver(desired),
        )

    async def _ask_driver(self, desired: NetworkDesired) -> DrivenNetworkFacts | None:
        """Return what the plugin tells that makes the network, None where none does."""
        want = derive_driven_network(desired.network)
        return await self._kernel.drivers.networks.read(want) if want is not None else None

    async def apply(self, action: NetworkAction) -> None:
        """Carry out one step."""
        match action:
            case EnsureBridge(want=want):
                await self._kernel.bridges.ensure(want)
            case DeleteBridge(network=network):
                await self._kernel.bridges.delete(network)
            case EnsureParent(want=parent):
                await self._kernel.parents.ensure(parent)
            case DeleteParent(network=network, name=name, heir=heir):
                await self._kernel.parents.delete(network, name, heir=heir)
            case EnsureDrivenNetwork() | RemoveDrivenNetwork() | RemoveEndpoint():
                await self._let_driver(action)
            case _:
                assert_never(action)

    async def _let_driver(self, action: DrivenNetworkAction) -> None:
        """Carry out a step of the plugin's."""
        networks = self._kernel.drivers.networks
        match action:
            case EnsureDrivenNetwork(want=want):
                await networks.ensure(want)
            case RemoveEndpoint(network=want, container=container):
                await networks.remove_endpoint(want, container)
            case RemoveDrivenNetwork(want=want):
                await networks.remove(want)
            case _:
                assert_never(action)
