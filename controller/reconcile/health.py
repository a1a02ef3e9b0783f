"""Health checks: who is checked when. What was found wakes the container's turn, which records it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.errors import Conflict, Exhausted, Expired, HoldError, NotFound, Unavailable
from controller.model.changes import Change, ChangeType
from controller.model.container import Container
from controller.model.health import HealthFacts, ProbeOutcome
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.kinds import Resource, key_of
from controller.plan.container.health import (
    Check,
    advance_health,
    derive_check,
    find_probed_run,
    is_news,
    make_result,
    plan_health,
    resume_health,
)
from controller.ports import Clock, DesiredState, Probes


class HealthRecords:
    """What checks have found of containers that run, by uid: put by the monitor, looked at by turns."""

    def __init__(self) -> None:
        self._facts: dict[Uid, HealthFacts] = {}

    def find(self, uid: Uid) -> HealthFacts | None:
        """Return what was found; None before the first check, also the first one of this daemon."""
        return self._facts.get(uid)

    def put(self, uid: Uid, facts: HealthFacts) -> None:
        """Keep what was found."""
        self._facts[uid] = facts

    def drop(self, uid: Uid) -> None:
        """Forget a container."""
        self._facts.pop(uid, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The checks of one run, and the task that makes them one after another."""

    uid: Uid
    check: Check
    started_at: datetime
    task: "asyncio.Task[None]"


class HealthMonitor:
    """Checks every container that has a check while it runs; `wake` gives a container its turn."""

    def __init__(
        self,
        probes: Probes,
        state: DesiredState,
        clock: Clock,
        records: HealthRecords,
        wake: Callable[[Key], None],
    ) -> None:
        self._probes = probes
        self._state = state
        self._clock = clock
        self._records = records
        self._wake = wake
        self._series: dict[Key, _Series] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                revision = self._state.revision()
                present = self._state.snapshot()
                for key in self._series.keys() - present.keys():
                    self._end(key)
                for key, resource in present.items():
                    self._follow(tasks, key, resource)
                try:
                    async for change in self._state.watch(revision):
                        self._follow_change(tasks, change)
                except Expired:
                    continue

    def _follow_change(self, tasks: asyncio.TaskGroup, change: Change) -> None:
        key = key_of(change.resource)
        if change.type is ChangeType.DELETED:
            self._end(key)
        else:
            self._follow(tasks, key, change.resource)

    def _follow(self, tasks: asyncio.TaskGroup, key: Key, resource: Resource) -> None:
        """Begin, go on with, or end the checks of a container, as its run and its check have become."""
        if not isinstance(resource, Container):
            return
        check, started_at = self._find_check(resource), find_probed_run(resource)
        before = self._series.get(key)
        if check is None or started_at is None:
            self._end(key)
            return
        if before is not None:
            if (before.check, before.started_at) == (check, started_at):
                return
            before.task.cancel()
        uid = Uid(resource.metadata.uid or "")
        task = tasks.create_task(self._check_on(key, uid, check, started_at))
        self._series[key] = _Series(uid=uid, check=check, started_at=started_at, task=task)

    def _find_check(self, container: Container) -> Check | None:
        spec = container.spec
        image = self._state.snapshot().get(Key("Image", spec.image)) if spec.image is not None else None
        return derive_check(spec.healthcheck, image.status.config if isinstance(image, Image) else None)

    def _end(self, key: Key) -> None:
        series = self._series.pop(key, None)
        if series is not None:
            series.task.cancel()
            self._records.drop(series.uid)

    async def _check_on(self, key: Key, uid: Uid, check: Check, started_at: datetime) -> None:
        """Check one run again and again; the next check is due a while after the end of the one before."""
        container = self._state.snapshot().get(key)
        if not isinstance(container, Container):
            return
        health = resume_health(container, check, started_at, self._records.find(uid))
        while True:
            await asyncio.sleep(plan_health(check, health, started_at, self._clock.now()))
            began_at = self._clock.now()
            outcome = await self._probe(uid, check)
            if outcome is None:  # it has just ended, which its turn will tell, or the host has no room
                await asyncio.sleep(check.interval_s)
                continue
            result = make_result(outcome, began_at, self._clock.now())
            health = advance_health(check, health, started_at, result)
            facts = HealthFacts(started_at=started_at, probe=check.probe, health=health)
            self._records.put(uid, facts)
            current = self._state.snapshot().get(key)
            if isinstance(current, Container) and is_news(current.status.health, health):
                self._wake(key)

    async def _probe(self, uid: Uid, check: Check) -> ProbeOutcome | None:
        try:
            return await self._probes.probe(uid, check.probe, timeout_s=check.timeout_s)
        except (NotFound, Conflict, Unavailable, Exhausted):
            return None
        except HoldError as error:
            return ProbeOutcome(exit_code=-1, output=error.message)
