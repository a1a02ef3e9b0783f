"""One turn: look, decide, act, look again until there is nothing to do, record."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar, cast

from controller.errors import HoldError, Unavailable
from controller.model.changes import EventType, Snapshot
from controller.model.ids import Key, Uid
from controller.model.kinds import AnyStatus, Resource
from controller.model.resource import is_ready
from controller.plan.base import Action, Note, Plan
from controller.ports import Admission, Clock, DesiredState
from controller.reconcile.world import World

LOG = logging.getLogger(__name__)

MOST_ROUNDS = 16
"""More looks than any turn needs; what is not done by then comes in a turn of its own."""

STUCK_WAIT_S = 1.0
"""How long to wait when steps do not help and the plan names no time."""

ResourceT = TypeVar("ResourceT", bound=Resource)
DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")
ActionT = TypeVar("ActionT", bound=Action)
StatusT = TypeVar("StatusT", bound=AnyStatus)
ResourceT_contra = TypeVar("ResourceT_contra", bound=Resource, contravariant=True)
StatusT_co = TypeVar("StatusT_co", bound=AnyStatus, covariant=True)


class KindReconciler(Protocol[ResourceT_contra, DesiredT, ObservedT, ActionT, StatusT_co]):
    """What differs between kinds."""

    def gather(self, snapshot: Snapshot, resource: ResourceT_contra) -> DesiredT:
        """Return what is wanted of an object, from the snapshot alone."""
        ...

    async def observe(self, desired: DesiredT) -> ObservedT:
        """Look at what there is of it."""
        ...

    async def recall(self, desired: DesiredT, world: World) -> ObservedT:
        """Find what there is of it in what a resync has read."""
        ...

    def plan(self, desired: DesiredT, observed: ObservedT, now: datetime) -> Plan[ActionT, StatusT_co]:
        """Decide."""
        ...

    async def apply(self, action: ActionT) -> None:
        """Carry out one step."""
        ...

    def explain_failure(
        self, desired: DesiredT, action: ActionT, error: HoldError, now: datetime
    ) -> StatusT_co:
        """Return the status after a step failed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """How a turn ended: whether it did anything, whether the object is gone, when to look again."""

    acted: bool = False
    gone: bool = False
    requeue_after_s: float | None = None


class Turn(Generic[ResourceT, DesiredT, ObservedT, ActionT, StatusT]):
    """A turn for one object. The object is the one in the store when the turn begins; later writes have their own turn."""

    def __init__(
        self,
        kind: KindReconciler[ResourceT, DesiredT, ObservedT, ActionT, StatusT],
        state: DesiredState,
        clock: Clock,
        key: Key,
        resource: ResourceT,
        *,
        admission: Admission,
    ) -> None:
        self._kind = kind
        self._state = state
        self._admission = admission
        self._clock = clock
        self._key = key
        self._uid = Uid(resource.metadata.uid or "")
        self._resource = resource
        self._taken: list[str] = []
        self._notes: list[Note] = []
        self._is_explained = False

    async def run(self) -> TurnResult:
        """Take rounds until there is nothing to do now. Errors of steps are recorded, then raised."""
        first = self._resource
        try:
            plan, stuck = await self._take_rounds()
        finally:
            if self._taken:
                LOG.info("turn", extra={"key": str(self._key), "steps": self._taken})
        self._note_repair(first)
        await self._write_notes()
        await self._leave(plan)
        requeue_after_s = plan.requeue_after_s
        if stuck and requeue_after_s is None:
            requeue_after_s = STUCK_WAIT_S
        return TurnResult(acted=bool(self._taken), gone=plan.gone, requeue_after_s=requeue_after_s)

    async def record_end(self) -> None:
        """Record what has ended and is not known yet; takes no step."""
        desired = self._kind.gather(self._state.snapshot(), self._resource)
        plan = self._kind.plan(desired, await self._kind.observe(desired), self._clock.now())
        if not plan.actions and plan.requeue_after_s == 0.0:
            await self._record(plan)
            await self._write_notes()

    async def _take_rounds(self) -> tuple[Plan[ActionT, StatusT], bool]:
        """Return the last plan, and whether its steps were taken before without coming to an end."""
        previous: tuple[ActionT, ...] = ()
        for _ in range(MOST_ROUNDS):
            desired = self._kind.gather(self._state.snapshot(), self._resource)
            plan = self._kind.plan(desired, await self._kind.observe(desired), self._clock.now())
            stuck = bool(plan.actions) and plan.actions == previous
            previous = plan.actions
            if plan.actions and not stuck:
                self._is_explained = self._is_explained or plan.is_asked_for
                await self._act(plan)
                continue
            await self._record(plan)
            if stuck or plan.gone or plan.retire or plan.requeue_after_s != 0.0:
                return plan, stuck
            # What was just recorded explains the steps that come of it: an end, say, those after it.
            self._is_explained = True
        raise Unavailable(f"{self._key} does not come to rest", retry_after_s=STUCK_WAIT_S)

    async def _act(self, plan: Plan[ActionT, StatusT]) -> None:
        for action in plan.actions:
            self._taken.append(action.describe())
            try:
                await self._kind.apply(action)
            except HoldError as error:
                self._resource = self._adopt(plan.status)
                known = self._kind.gather(self._state.snapshot(), self._resource)
                status = self._kind.explain_failure(known, action, error, self._clock.now())
                await self._state.put_status(self._key, self._uid, status)
                raise
        self._resource = self._adopt(plan.status)
        self._notes += plan.notes

    async def _record(self, plan: Plan[ActionT, StatusT]) -> None:
        await self._state.put_status(self._key, self._uid, plan.status)
        self._resource = self._adopt(plan.status)
        self._notes += plan.notes

    def _adopt(self, status: StatusT) -> ResourceT:
        # The copy is of the same class: a type variable bound to a union loses that.
        return cast("ResourceT", self._resource.model_copy(update={"status": status}))

    async def _leave(self, plan: Plan[ActionT, StatusT]) -> None:
        if plan.gone:
            await self._state.forget(self._key, self._uid)
        elif plan.retire:
            await self._state.retire(self._key, self._uid)
        elif plan.readmit:
            await self._readmit()

    async def _readmit(self) -> None:
        """Let admission choose again; what it chooses has a turn of its own."""
        try:
            await self._admission.readmit(self._key, self._uid)
        except HoldError as error:
            await self._state.record(self._key, self._uid, EventType.WARNING, "NotAdmitted", error.message)
            raise

    async def _write_notes(self) -> None:
        for note in self._notes:
            await self._state.record(self._key, self._uid, note.type, note.reason, note.message)

    def _note_repair(self, first: ResourceT) -> None:
        """Make an event of steps that neither a change of the object nor what was recorded of it explains."""
        metadata = first.metadata
        settled = is_ready(first.status) and first.status.observed_generation == metadata.generation
        unexplained = self._taken and not self._is_explained
        if unexplained and settled and metadata.deleted_at is None:
            steps = ", ".join(self._taken)
            self._notes.append(Note(type=EventType.WARNING, reason="Repaired", message=steps))
