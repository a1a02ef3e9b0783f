"""The loops, a real store on SQLite and a fake machine, all in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from controller.errors import NotFound
from controller.model.changes import Change, Decision, Draft, Event, EventType, Snapshot
from controller.model.container import Container, ContainerSpec
from controller.model.facts import HostFacts
from controller.model.ids import Key, Revision, Uid
from controller.model.image import ImageSource, ImageSpec
from controller.model.kinds import AnyStatus, Spec
from controller.model.layout import Layout
from controller.model.network import NetworkSpec
from controller.model.volume import VolumeSpec
from controller.plan.admission import (
    AdmissionContext,
    ApplyBatch,
    decide_apply,
    decide_delete,
    forget_drivers,
)
from controller.reconcile.engine import ReconcileOptions, Reconciler
from controller.store.database import derive_url
from controller.store.store import SqlStore, open_store
from tests.fakes.address_pools import make_pools
from tests.fakes.drivers import FakePlugins, list_plugin_faults
from tests.fakes.goal import list_faults
from tests.fakes.kernel import make_ports
from tests.fakes.steps import Steps
from tests.fakes.virtual_time import VirtualLoop
from tests.fakes.world import FakeWorld

SETTLE_S = 20.0
"""Longer than every wait in a scenario, shorter than the time between two resyncs."""
RESYNC_INTERVAL_S = 180.0


class SimulatedState:
    """The store as the loops see it, with a place to die around each write."""

    def __init__(self, store: SqlStore, loop: VirtualLoop, steps: Steps) -> None:
        self._store = store
        self._loop = loop
        self._steps = steps
        self.writes = 0

    def snapshot(self) -> Snapshot:
        return self._store.snapshot()

    def revision(self) -> Revision:
        return self._store.revision()

    def watch(self, after: Revision) -> AsyncIterator[Change]:
        return self._store.watch(after)

    async def put_status(self, key: Key, uid: Uid, status: AnyStatus) -> None:
        stored = self._store.snapshot().get(key)
        if stored is None or stored.status == status:
            return
        await self._write("put_status", lambda: self._store.put_status(key, uid, status))

    async def retire(self, key: Key, uid: Uid) -> None:
        await self._write("retire", lambda: self._store.retire(key, uid))

    async def forget(self, key: Key, uid: Uid) -> None:
        await self._write("forget", lambda: self._store.forget(key, uid))

    async def record(
        self, key: Key | None, uid: Uid | None, severity: EventType, reason: str, message: str
    ) -> None:
        await self._write("record", lambda: self._store.record(key, uid, severity, reason, message))

    async def _write(self, name: str, write: Callable[[], Awaitable[None]]) -> None:
        self.writes += 1
        call = await self._steps.begin(f"store.{name}")
        with self._loop.waiting_for_thread():
            await write()
        await self._steps.end(call)


class Simulation:
    """One machine and its store; daemons come and go."""

    def __init__(self, store: SqlStore, loop: VirtualLoop) -> None:
        self.world = FakeWorld()
        self.plugins = FakePlugins(self.world)
        self.world.archives["/images/web.tar"] = "web"
        self.steps = Steps()
        self.layout = Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="hold")
        self.loop = loop
        self.store = store
        self.state = SimulatedState(store, loop, self.steps)
        self.before_commit: Callable[[Decision], Awaitable[None]] | None = None
        self._seed = 0
        self._daemon: asyncio.Task[None] | None = None

    # --- daemons ---------------------------------------------------------------------------------------------------

    def boot(self) -> Reconciler:
        """Start a daemon."""
        reconciler = Reconciler(
            make_ports(self.world, self.steps, plugins=self.plugins),
            self.state,
            self.loop,
            self.layout,
            ReconcileOptions(draw=random.Random(7).random, resync_interval_s=RESYNC_INTERVAL_S),
            admission=self,
        )
        self._daemon = self.loop.create_task(_live(reconciler))
        return reconciler

    async def kill_daemon(self) -> None:
        """End the daemon as kill -9 does: nothing that it awaits comes back."""
        if self._daemon is None:
            return
        self.steps.died.set()
        self._daemon.cancel()
        with suppress(asyncio.CancelledError):
            await self._daemon
        self._daemon = None
        with self.loop.waiting_for_thread(), suppress(NotFound):
            await self.store.history(Key("Volume", "no-such-volume"))
        self.steps.revive()

    async def settle(self, seconds: float = SETTLE_S) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        if self._daemon is not None and self._daemon.done():
            self._daemon.result()

    async def settle_or_die(self, seconds: float = SETTLE_S) -> bool:
        """Let time pass until the daemon dies; tells whether it did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.steps.died.wait()
        return self.steps.died.is_set()

    # --- what users do ---------------------------------------------------------------------------------------------

    async def apply(self, *drafts: Draft) -> Decision:
        """Apply a batch."""
        self._seed += 1
        context = AdmissionContext(
            now=self.loop.now(),
            host=HostFacts(link_names=frozenset(self.world.parents)),
            pools=make_pools(),
            seed=f"seed {self._seed}",
        )
        return await self._commit(lambda snapshot: decide_apply(snapshot, ApplyBatch(drafts=drafts), context))

    async def readmit(self, key: Key, uid: Uid) -> None:
        """See Admission."""
        present = self.store.snapshot().get(key)
        if present is not None and present.metadata.uid == uid and present.metadata.deleted_at is None:
            metadata = present.metadata
            draft = Draft(
                key=key, spec=present.spec, labels=metadata.labels, annotations=metadata.annotations
            )
            await self.apply(draft)

    async def delete(
        self, *keys: Key, grace_period_s: float | None = None, cascade: bool = False, forget: bool = False
    ) -> Decision:
        """Ask for deletion; with `forget` also without plugins."""

        def decide(snapshot: Snapshot) -> Decision:
            decision = decide_delete(snapshot, keys, cascade=cascade, grace_period_s=grace_period_s)
            return forget_drivers(snapshot, decision) if forget else decision

        return await self._commit(decide)

    async def _commit(self, decide: Callable[[Snapshot], Decision]) -> Decision:
        decisions: list[Decision] = []
        if self.before_commit is not None:
            await self.before_commit(decide(self.store.snapshot()))

        def remember(snapshot: Snapshot) -> Decision:
            decisions.append(decide(snapshot))
            return decisions[-1]

        with self.loop.waiting_for_thread():
            await self.store.commit(remember)
        return decisions[-1]

    # --- what is seen ----------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Return what is not as declared."""
        snapshot = self.store.snapshot()
        plugins = list_plugin_faults(self.plugins, snapshot)
        return [*list_faults(snapshot, self.world, self.layout), *plugins]

    def container(self, name: str) -> Container:
        """Return a container as stored."""
        found = self.store.snapshot()[Key("Container", name)]
        assert isinstance(found, Container)
        return found

    def uid(self, key: Key) -> Uid:
        """Return an object's uid."""
        return Uid(self.store.snapshot()[key].metadata.uid or "")

    async def events(self) -> tuple[Event, ...]:
        """Return all events."""
        with self.loop.waiting_for_thread():
            return await self.store.events(0, 10_000)


async def _live(reconciler: Reconciler) -> None:
    """Do what the daemon does with its loops."""
    await reconciler.recover()
    await reconciler.run()


@asynccontextmanager
async def simulate(loop: VirtualLoop, path: Path) -> AsyncIterator[Simulation]:
    """Open a store in the directory `path` and put an empty machine beside it."""
    opened = open_store(derive_url(str(path / "hold.db")), loop)
    with loop.waiting_for_thread():
        store = await opened.__aenter__()
    simulation = Simulation(store, loop)
    try:
        yield simulation
    finally:
        await simulation.kill_daemon()
        with loop.waiting_for_thread():
            await opened.__aexit__(None, None, None)


def make_draft(key: Key, spec: Spec) -> Draft:
    """Return a draft without labels."""
    return Draft(key=key, spec=spec, labels={}, annotations={})


def draft_container(name: str, **fields: object) -> Draft:
    """Return a container of the image web:1 on the network shop, unless `fields` (of the manifest) say otherwise."""
    spec: dict[str, object] = {"command": ["serve"]}
    if "rootfs" not in fields:
        spec["image"] = "web:1"
    if "networkMode" not in fields:
        spec["networks"] = ["shop"]
    return make_draft(Key("Container", name), ContainerSpec.model_validate(spec | fields))


def draft_shop() -> tuple[Draft, ...]:
    """Return a network, a volume and an image."""
    return (
        make_draft(Key("Network", "shop"), NetworkSpec(enable_ipv6=True)),
        make_draft(Key("Volume", "data"), VolumeSpec()),
        make_draft(Key("Image", "web:1"), ImageSpec(source=ImageSource(archive="/images/web.tar"))),
    )


def name_containers(names: Iterable[str]) -> tuple[Key, ...]:
    """Return the keys of containers."""
    return tuple(Key("Container", name) for name in names)
