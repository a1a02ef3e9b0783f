"""start, stop, restart: verbs that are writes of desired state."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.api.admission import Gate
from controller.api.containers import find_container
from controller.api.convert import draft_of
from controller.errors import Conflict, Invalid, NotFound, Violation
from controller.model.changes import Decision, Draft, Snapshot
from controller.model.container import Container, ContainerSpec, DesiredState, Phase, StopOrder
from controller.model.kinds import key_of
from controller.model.signals import parse_signal
from controller.plan.admission import (
    ApplyBatch,
    decide_apply,
    decide_delete,
    derive_host_need,
    list_anonymous_volumes,
)
from controller.plan.admission.rename import decide_rename

_ALIVE = (Phase.RUNNING, Phase.PAUSED, Phase.STOPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a process is to be ended: nothing where the container's own signal and grace period hold."""

    signal: str | None = None
    grace_period_s: float | None = None


def read_ending(signal: str, grace_period_s: float | None) -> Ending:
    """Return the ending that a request asks for; Invalid names the field."""
    if grace_period_s is not None and not grace_period_s >= 0:
        raise Invalid.of(
            [Violation(field="gracePeriodS", message=f"{grace_period_s} is less than 0 seconds")]
        )
    try:
        name = str(parse_signal(signal)) if signal else None
    except ValueError as error:
        raise Invalid.of([Violation(field="signal", message=str(error))]) from error
    return Ending(signal=name, grace_period_s=grace_period_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Changes of one container's desired state, each decided in the store's transaction, on its manager's behalf."""

    gate: Gate

    async def start(self, name: str) -> Container:
        """Make `running` what is desired; a container whose process has ended gets a new run. Conflict while paused."""

        def edit(present: Container) -> Draft:
            spec, status = present.spec, present.status
            if status.phase is Phase.PAUSED and spec.desired is not DesiredState.STOPPED:
                name = present.metadata.name
                raise Conflict(f"container {name} is paused: `hold unpause {name}` lets it go on")
            goes_on = status.phase in _ALIVE and spec.desired is not DesiredState.STOPPED
            return _want(
                present, desired=DesiredState.RUNNING, run=spec.run if goes_on else _next_run(present)
            )

        return await self._write(name, edit)

    async def stop(self, name: str, ending: Ending) -> Container:
        """Make `stopped` what is desired."""
        return await self._write(
            name, lambda present: _order(_want(present, desired=DesiredState.STOPPED), present, ending)
        )

    async def restart(self, name: str, ending: Ending) -> Container:
        """Ask for a new run, whatever the container does now."""

        def edit(present: Container) -> Draft:
            draft = _want(present, desired=DesiredState.RUNNING, run=_next_run(present))
            return _order(draft, present, ending)

        return await self._write(name, edit)

    async def remove(self, container: Container) -> None:
        """Ask for the deletion of just this container, with its anonymous volumes. NotFound when it has gone."""
        key = key_of(container)

        def decide(snapshot: Snapshot) -> Decision:
            present = find_container(snapshot, key.name)
            if present.metadata.uid != container.metadata.uid:
                raise NotFound(f"container {key.name} has gone; there is another one of the name")
            volumes = list_anonymous_volumes(snapshot, (key,))
            return decide_delete(snapshot, (key, *volumes), manager=present.metadata.manager)

        await self.gate.store.commit(decide)

    async def rename(self, name: str, new_name: str) -> Container:
        """Give the container another name."""

        def decide(snapshot: Snapshot) -> Decision:
            return decide_rename(snapshot, key_of(find_container(snapshot, name)), new_name)

        committed = await self.gate.store.commit(decide)
        return next(each for each in committed.resources if isinstance(each, Container))

    async def _write(self, name: str, edit: Callable[[Container], Draft]) -> Container:
        present = find_container(self.gate.store.snapshot(), name)
        admission = await self.gate.read_context(derive_host_need([present.spec]))

        def decide(snapshot: Snapshot) -> Decision:
            present = find_container(snapshot, name)
            batch = ApplyBatch(drafts=(edit(present),), manager=present.metadata.manager)
            return decide_apply(snapshot, batch, admission)

        committed = await self.gate.store.commit(decide)
        return next(each for each in committed.resources if isinstance(each, Container))


def _want(present: Container, **fields: object) -> Draft:
    spec: ContainerSpec = present.spec.model_copy(update=fields)
    return draft_of(present.model_copy(update={"spec": spec}))


def _next_run(present: Container) -> int:
    return _latest_run(present) + 1


def _latest_run(present: Container) -> int:
    return max(present.spec.run, present.status.run)


def _order(draft: Draft, present: Container, ending: Ending) -> Draft:
    if ending == Ending():
        return draft
    order = StopOrder(run=_latest_run(present), signal=ending.signal, grace_period_s=ending.grace_period_s)
    return replace(draft, stop=order)
