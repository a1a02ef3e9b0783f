"""The slow comparison of everything, for what hints missed: one look at the world, then plans that mostly are empty."""

import asyncio
from collections.abc import Mapping
from typing import Any

from controller.model.ids import Key, KindName, Uid
from controller.model.kinds import Resource
from controller.ports import Clock, DesiredState, KernelPorts
from controller.reconcile.garbage import Garbage
from controller.reconcile.queue import Queue, Whole
from controller.reconcile.turn import KindReconciler
from controller.reconcile.world import World, read_world

_OBJECTS_IN_A_ROW = 32
"""After so many objects others get a chance to run."""

AnyKindReconciler = KindReconciler[Any, Any, Any, Any, Any]


class Resync:
    """Puts in line what differs, collects what is left over. Writes and logs nothing when nothing differs."""

    def __init__(
        self,
        kernel: KernelPorts,
        state: DesiredState,
        clock: Clock,
        *,
        kinds: Mapping[KindName, AnyKindReconciler],
        garbage: Garbage,
        queue: Queue,
    ) -> None:
        self._kernel = kernel
        self._state = state
        self._clock = clock
        self._kinds = kinds
        self._garbage = garbage
        self._queue = queue
        self._expected: frozenset[Uid] = frozenset()

    async def run(self) -> None:
        """Compare everything once."""
        world = await read_world(self._kernel)
        snapshot = self._state.snapshot()
        for uid in world.processes.keys() - self._expected:
            self._kernel.events.expect(uid)
        self._expected = frozenset(world.processes)
        for count, (key, resource) in enumerate(snapshot.items(), start=1):
            await self._compare(key, resource, world)
            if count % _OBJECTS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        self._queue.wake(Whole.HOST, fresh=False)
        await self._garbage.collect(world, snapshot)

    async def _compare(self, key: Key, resource: Resource, world: World) -> None:
        kind = self._kinds[key.kind]
        desired = kind.gather(self._state.snapshot(), resource)
        plan = kind.plan(desired, await kind.recall(desired, world), self._clock.now())
        if plan.actions or plan.gone or plan.retire or plan.readmit or plan.status != resource.status:
            self._queue.wake(key, fresh=False)
        elif plan.requeue_after_s is not None:
            self._queue.wake_later(key, plan.requeue_after_s)
