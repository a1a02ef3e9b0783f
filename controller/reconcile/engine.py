"""All loops together: what wakes a key, who takes its turn, when it is tried again.

Wake-ups are changes in the store, hints from the kernel, times that plans ask for, and a resync now and then. Workers
take keys from one queue; a key is with one worker at a time.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.errors import Expired, HoldError, Unavailable
from controller.model.ids import Key, KindName, Revision
from controller.model.layout import Layout
from controller.ports import Admission, Clock, DesiredState, HintType, KernelPorts
from controller.reconcile.container import ContainerReconciler
from controller.reconcile.garbage import Garbage
from controller.reconcile.health import HealthMonitor, HealthRecords
from controller.reconcile.host import HostReconciler
from controller.reconcile.image import ImageReconciler
from controller.reconcile.network import NetworkReconciler
from controller.reconcile.publication import Publication
from controller.reconcile.queue import Queue, Target, Whole
from controller.reconcile.recovery import Recovery
from controller.reconcile.references import References
from controller.reconcile.resync import AnyKindReconciler, Resync
from controller.reconcile.router import Router
from controller.reconcile.turn import Turn
from controller.reconcile.volume import VolumeReconciler

LOG = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 60.0
RENAMED_WAIT_S = 0.05
HOST_QUIET_S = 0.004
HOST_LONGEST_S = 0.04
EVERYTHING_QUIET_S = 0.1
EVERYTHING_LONGEST_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """`draw` returns a random number from 0 to 1, for the jitter of retries. `workers` turns run at the same time."""

    draw: Callable[[], float]
    resync_interval_s: float = 180.0
    workers: int = 16


class Reconciler:
    """Keeps the kernel as the store says. Made inside the event loop that it runs in.

    `first_pass_done` is set once everything has been compared with the kernel for the first time.
    """

    def __init__(
        self,
        kernel: KernelPorts,
        state: DesiredState,
        clock: Clock,
        layout: Layout,
        options: ReconcileOptions,
        *,
        admission: Admission,
    ) -> None:
        self.first_pass_done = asyncio.Event()
        self._kernel = kernel
        self._state = state
        self._admission = admission
        self._clock = clock
        self._options = options
        self._queue = Queue()
        self._references = References()
        self._router = Router(self._references)
        self._failures: dict[Target, int] = {}
        self._at_work: set[str] = set()
        publication, health = Publication(), HealthRecords()
        self._kinds: Mapping[KindName, AnyKindReconciler] = {
            "Container": ContainerReconciler(kernel, layout, publication, health),
            "Network": NetworkReconciler(kernel, self._references, publication),
            "Volume": VolumeReconciler(kernel, layout, self._references),
            "Image": ImageReconciler(kernel, self._references, layout),
        }
        self._health = HealthMonitor(kernel.probes, state, clock, health, self._queue.wake)
        self._recovery = Recovery(kernel, state, clock, self._kinds["Container"], admission=admission)
        self._host = HostReconciler(kernel, state, layout, publication)
        garbage = Garbage(kernel, layout)
        self._resync = Resync(kernel, state, clock, kinds=self._kinds, garbage=garbage, queue=self._queue)

    def wake(self, key: Key) -> None:
        """Let an object have a turn soon."""
        self._queue.wake(key)

    def resync(self) -> None:
        """Compare everything with the kernel soon."""
        self._queue.wake(Whole.EVERYTHING)

    @property
    def is_idle(self) -> bool:
        """Whether no turn is due or going on; times to come don't count."""
        return self._queue.is_idle

    async def recover(self) -> None:
        """Record what ended while no daemon ran; to be called once before `run`, before anybody can look."""
        await self._attempt(Whole.ENDS)

    async def run(self) -> None:
        """Run until cancelled. Nothing is torn down then: containers go on, and the next start takes over."""
        revision = self._state.revision()
        self._router.load(self._state.snapshot().values())
        # Rules and names come first, so that conditions of what went on running don't flap.
        await self._attempt(Whole.HOST)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_changes(revision))
            tasks.create_task(self._follow_hints())
            tasks.create_task(self._health.run())
            self._queue.wake(Whole.EVERYTHING)
            for _ in range(self._options.workers):
                tasks.create_task(self._work())

    async def _follow_changes(self, revision: Revision) -> None:
        while True:
            try:
                async for change in self._state.watch(revision):
                    # The host first: clients wait for ports.
                    for target in sorted(
                        self._router.route_change(change), key=lambda each: each is not Whole.HOST
                    ):
                        self._wake_target(target)
            except Expired:
                revision = self._state.revision()
                self._router.load(self._state.snapshot().values())
                self._queue.wake(Whole.EVERYTHING)

    async def _follow_hints(self) -> None:
        async for hint in self._kernel.events.watch():
            for target in self._router.route_hint(hint):
                if target is Whole.EVERYTHING:
                    self._wake_target(target)
                elif hint.type is HintType.PROCESS:
                    self._queue.wake(target)
                else:
                    self._queue.wake_by_hint(target)

    def _wake_target(self, target: Target) -> None:
        """Wake an object at once; what is for all of them, where more may come, a moment later together with that."""
        match target:
            case Whole.HOST:
                self._queue.wake_rested(target, quiet_s=HOST_QUIET_S, longest_s=HOST_LONGEST_S)
            case Whole.EVERYTHING:
                self._queue.wake_settled(target, quiet_s=EVERYTHING_QUIET_S, longest_s=EVERYTHING_LONGEST_S)
            case Whole.RULES | Whole.ENDS | Key():
                self._queue.wake(target)

    async def _work(self) -> None:
        while True:
            target = await self._queue.take()
            try:
                await self._attempt(target)
            finally:
                self._queue.release(target)

    async def _attempt(self, target: Target) -> None:
        """Take a turn. Whatever goes wrong in it is a reason to try again later, never to stop the loops."""
        try:
            await self._take_turn(target)
        except Exception as error:  # noqa: BLE001 - the one place: a bug in one object's turn must not stop others
            self._retry(target, error)
        else:
            self._failures.pop(target, None)

    async def _take_turn(self, target: Target) -> None:
        match target:
            case Whole.HOST:
                await self._take_host_turn()
            case Whole.RULES:
                self._host.doubt()
                self._queue.wake(Whole.HOST)
            case Whole.ENDS:
                if not self.first_pass_done.is_set():  # later the turns have seen to it
                    await self._recovery.run()
            case Whole.EVERYTHING:
                self._host.doubt()
                await self._resync.run()
                self._queue.wake_later(target, self._options.resync_interval_s)
                self.first_pass_done.set()
            case Key():
                await self._take_turn_alone(target)

    async def _take_turn_alone(self, key: Key) -> None:
        """Take an object's turn, a moment later when one goes on under a name that it had before."""
        resource = self._state.snapshot().get(key)
        uid = resource.metadata.uid if resource is not None else None
        if uid in self._at_work:
            self._queue.wake_later(key, RENAMED_WAIT_S)
            return
        self._at_work.add(uid or "")
        try:
            await self._take_object_turn(key)
        finally:
            self._at_work.discard(uid or "")

    async def _take_host_turn(self) -> None:
        result = await self._host.run()
        if result.acted:
            self._queue.expect_echo(Whole.HOST)
            self._queue.expect_echo(Whole.RULES)
        for key in result.concerned:
            self._queue.wake(key)

    async def _take_object_turn(self, key: Key) -> None:
        resource = self._state.snapshot().get(key)
        if resource is None:
            self._queue.drop(key)
            return
        kind, used = self._kinds[key.kind], self._references.find_used(key)
        result = await Turn(kind, self._state, self._clock, key, resource, admission=self._admission).run()
        if result.acted:
            self._queue.expect_echo(key)
        if result.gone:
            self._queue.drop(key)
        elif result.requeue_after_s is not None:
            self._queue.wake_later(key, result.requeue_after_s)
        if result.acted and key.kind == "Container":
            for network in filter(self._router.is_driven, used):
                self._queue.wake(network)
        if result.acted and key.kind == "Network":
            # A bridge made anew has none of its ports, and a server's address on it went with the old one.
            self._wake_target(Whole.HOST)
            for user in self._references.find_users(key):
                self._queue.wake(user)

    def _retry(self, target: Target, error: Exception) -> None:
        self._queue.expect_echo(target)
        if isinstance(target, Key) and target.kind == "Container":
            # The kernel does not tell of directories that go; whoever misses one does.
            for used in self._references.find_used(target):
                if used.kind == "Volume":
                    self._queue.wake(used)
        failures = self._failures.get(target, 0)
        self._failures[target] = failures + 1
        delay_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 16))
        delay_s *= 0.75 + self._options.draw() / 2
        if isinstance(error, Unavailable):
            delay_s = max(delay_s, error.retry_after_s)
        facts = {"target": str(target), "retry_after_s": round(delay_s, 3)}
        if isinstance(error, HoldError):
            LOG.warning("turn failed", extra={**facts, "error": error.message})
        else:
            LOG.error("turn broke", extra=facts, exc_info=error)
        self._queue.wake_later(target, delay_s)
