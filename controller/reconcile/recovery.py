"""What ended while no daemon ran, recorded before anything is started: `Recovery`."""

import asyncio
import logging
from collections.abc import Collection

from controller.errors import HoldError
from controller.model.container import Container
from controller.model.ids import Key, Uid
from controller.model.kinds import key_of
from controller.plan.container.verdict import is_alive, is_believed_alive
from controller.ports import Admission, Clock, DesiredState, KernelPorts
from controller.reconcile.resync import AnyKindReconciler
from controller.reconcile.turn import Turn

LOG = logging.getLogger(__name__)


class Recovery:
    """Takes back statuses that speak of processes of before, as after a reboot.

    Otherwise a container whose turn comes first would believe that what it depends on runs, or is healthy.
    """

    def __init__(
        self,
        kernel: KernelPorts,
        state: DesiredState,
        clock: Clock,
        containers: AnyKindReconciler,
        *,
        admission: Admission,
    ) -> None:
        self._kernel = kernel
        self._state = state
        self._clock = clock
        self._containers = containers
        self._admission = admission

    async def run(self) -> None:
        """Record every end that is not known yet. To be called before other turns."""
        alive = {facts.uid for facts in await self._kernel.processes.list() if is_alive(facts)}
        async with asyncio.TaskGroup() as tasks:
            for resource in self._state.snapshot().values():
                if isinstance(resource, Container) and self._has_ended(resource, alive):
                    tasks.create_task(self._record_end(resource))

    def _has_ended(self, container: Container, alive: Collection[Uid]) -> bool:
        return is_believed_alive(container.status) and Uid(container.metadata.uid or "") not in alive

    async def _record_end(self, container: Container) -> None:
        key: Key = key_of(container)
        turn = Turn(self._containers, self._state, self._clock, key, container, admission=self._admission)
        try:
            await turn.record_end()
        except HoldError as error:  # its own turn comes to the same, and tells
            LOG.info("end not recorded", extra={"key": str(key), "error": error.message})
