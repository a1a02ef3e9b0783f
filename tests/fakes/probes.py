"""Health checks of a fake machine."""

import asyncio

from controller.errors import Conflict, NotFound
from controller.model.facts import ProcessState
from controller.model.health import Probe, ProbeOutcome
from controller.model.ids import Uid
from tests.fakes.port import FakePort


class FakeProbes(FakePort):
    """See Probes. What a check finds is up to the world's `health`, by the container's name."""

    async def probe(self, uid: Uid, probe: Probe, *, timeout_s: float) -> ProbeOutcome:
        process = self._world.processes.get(uid)
        if process is None or process.facts.state in (ProcessState.CREATED, ProcessState.STOPPED):
            raise NotFound(f"{uid} does not run")
        if process.facts.state is ProcessState.PAUSED:
            raise Conflict(f"{uid} is paused")
        health = self._world.health[process.want.name]
        health.probes.append(probe)
        await asyncio.sleep(min(health.takes_s, timeout_s))
        if health.takes_s > timeout_s:
            return ProbeOutcome(exit_code=-1, output=f"took longer than {timeout_s:g} s")
        return health.outcome
