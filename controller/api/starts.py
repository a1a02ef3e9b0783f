"""Going along with the start of a container: until its process runs, can't be started, or keeps failing to."""

import asyncio
import contextlib
from dataclasses import dataclass

from controller.api.admission import Gate
from controller.api.containers import ENDED, follow, is_running
from controller.api.exits import DAEMON_FAILED, convert_exit
from controller.api.orders import Ending, Orders
from controller.api.patience import Waits
from controller.api.v1 import container_pb2
from controller.errors import NotFound, Unavailable
from controller.model.container import Container, DesiredState, Phase


def is_at_rest(container: Container) -> bool:
    """Tell whether no process is there or on its way, so that who asks for one may take that back when it fails."""
    return container.spec.desired is DesiredState.STOPPED or container.status.phase in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Waits for starts on behalf of clients."""

    gate: Gate

    async def await_start(
        self, container: Container, run: int, waits: Waits, *, give_up: bool
    ) -> Container | container_pb2.Exit:
        """Return the container once its process of that run, or a later one, has begun; else why it has not.

        A start that keeps failing is not waited for; with `give_up` nobody asks for it any more.
        """
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(self._find_start(container, run, waits))
            hoping = tasks.create_task(waits.follow())
            await asyncio.wait([starting, hoping], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                hoping.cancel()
                return starting.result()
            starting.cancel()
        return await self.end_wait(container, hoping.result(), give_up=give_up)

    async def end_wait(
        self, container: Container, waiting: container_pb2.Waiting, *, give_up: bool
    ) -> container_pb2.Exit:
        """Return what a start keeps failing at; with `give_up` nobody asks for it any more.

        A container that is to go after its run goes then.
        """
        if give_up:
            await self._give_up(container)
        return container_pb2.Exit(code=DAEMON_FAILED, error=waiting.message)

    async def _give_up(self, container: Container) -> None:
        orders = Orders(gate=self.gate)
        with contextlib.suppress(NotFound):
            if container.spec.auto_remove:
                await orders.remove(container)
            else:
                await orders.stop(container.metadata.name, Ending())

    async def _find_start(
        self, container: Container, run: int, waits: Waits
    ) -> Container | container_pb2.Exit:
        async for state, gone in follow(self.gate.store, container):
            if gone:
                return convert_exit(state)
            if state.status.run >= run:
                if state.status.phase is Phase.FAILED:
                    return convert_exit(state)
                if is_running(state) or (state.status.phase is Phase.EXITED and not state.status.error):
                    return state
            waits.look(state, self.gate.store.snapshot())
        raise Unavailable("the store's watch has ended")
