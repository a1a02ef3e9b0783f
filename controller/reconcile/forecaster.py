"""What a batch would make the loops do, told without doing it: the port Forecaster."""

from controller.model.changes import Decision, Snapshot
from controller.model.container import Container
from controller.model.ids import Key
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.network import Network
from controller.model.volume import Volume
from controller.plan.container.inputs import ContainerObserved
from controller.plan.forecast.foresee import Facts, foresee, list_concerned, project
from controller.plan.host import HostObserved, derive_host, plan_host
from controller.plan.image import ImageObserved
from controller.plan.names import NamesRenderer
from controller.plan.network import NetworkObserved
from controller.plan.parents import needs_parents
from controller.plan.rules import RulesRenderer
from controller.plan.volume import VolumeObserved
from controller.ports import Clock, DesiredState, KernelPorts
from controller.reconcile.container import ContainerReconciler
from controller.reconcile.health import HealthRecords
from controller.reconcile.image import ImageReconciler
from controller.reconcile.network import NetworkReconciler
from controller.reconcile.publication import Publication
from controller.reconcile.references import References
from controller.reconcile.volume import VolumeReconciler


class LoopForecaster:
    """Looks at what a batch concerns, then plans as the loops will."""

    def __init__(self, kernel: KernelPorts, state: DesiredState, clock: Clock, layout: Layout) -> None:
        self._kernel = kernel
        self._state = state
        self._clock = clock
        self._layout = layout
        self._names = NamesRenderer()
        self._rules = RulesRenderer(layout.instance)
        publication, references = Publication(), References()
        self._containers = ContainerReconciler(kernel, layout, publication, HealthRecords())
        self._networks = NetworkReconciler(kernel, references, publication)
        self._volumes = VolumeReconciler(kernel, layout, references)
        self._images = ImageReconciler(kernel, references, layout)

    async def forecast(self, decision: Decision) -> tuple[tuple[Key | None, tuple[str, ...]], ...]:
        """See Forecaster. Objects come in the order in which they can be made, the host last."""
        now, snapshot = self._clock.now(), self._state.snapshot()
        projected = project(snapshot, decision.writes, now)
        concerned = list_concerned(projected, decision.writes)
        facts = await self._observe(snapshot, projected, concerned)
        foreseen = foresee(projected, concerned, facts, self._layout, now)
        told: list[tuple[Key | None, tuple[str, ...]]] = [
            (key, steps) for key, steps in foreseen.steps.items() if steps
        ]
        host = HostObserved(
            firewall=await self._kernel.firewall.read(), names=await self._kernel.names.read()
        )
        defaults = self._kernel.read_host_texts().defaults
        desired = derive_host(foreseen.snapshot, defaults, rules=self._rules, names=self._names)
        plan = plan_host(desired, host)
        if plan.actions:
            told.append((None, tuple(action.describe() for action in plan.actions)))
        return tuple(told)

    async def _observe(self, snapshot: Snapshot, projected: Snapshot, concerned: tuple[Key, ...]) -> Facts:
        """Look at those of the concerned objects that are there already, as they will be wanted."""
        containers: dict[Key, ContainerObserved] = {}
        networks: dict[Key, NetworkObserved] = {}
        volumes: dict[Key, VolumeObserved] = {}
        images: dict[Key, ImageObserved] = {}
        for key in concerned:
            resource = projected[key]
            match resource:
                case Container() if key in snapshot:
                    desired = self._containers.gather(projected, resource)
                    containers[key] = await self._containers.observe(desired)
                case Network() if key in snapshot or needs_parents(resource):
                    networks[key] = await self._networks.observe(self._networks.gather(projected, resource))
                case Volume() if key in snapshot:
                    volumes[key] = await self._volumes.observe(self._volumes.gather(projected, resource))
                case Image():
                    images[key] = await self._images.observe(self._images.gather(projected, resource))
                case _:
                    pass
        return Facts(containers=containers, networks=networks, volumes=volumes, images=images)
