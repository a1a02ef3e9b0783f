"""Very many containers: they come about, one more takes no more, and looking at them again costs little."""

import logging
import time
from collections import Counter
from pathlib import Path

import pytest

from controller.model.container import Phase
from controller.model.ids import Key
from controller.model.network import NetworkSpec
from tests.fakes.simulation import (
    RESYNC_INTERVAL_S,
    Simulation,
    draft_container,
    draft_shop,
    make_draft,
    simulate,
)
from tests.fakes.virtual_time import VirtualLoop, run_virtually

CONTAINERS = 1500
NETWORKS = 10
MOST_CPU_S = 1.5
"""Five times what a resync may cost on the machine that the target was set for."""


class Calls:
    """Counts calls of ports, looks among them; plugs into the steps of a simulation, and takes no time."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def find_delay_s(self, name: str, _number: int) -> float:
        """Count a call."""
        self._count[name] += 1
        return 0.0

    def take(self) -> Counter[str]:
        """Return what was counted since the last time."""
        taken, self._count = self._count, Counter()
        return taken


async def count_start(sim: Simulation, calls: Calls, name: str) -> Counter[str]:
    """Start one more container and return the calls that this took until nothing was left to do."""
    calls.take()
    await sim.apply(draft_container(name, networks=["net0"], ports=[f"{9_000 + len(name)}:80"]))
    await sim.settle()
    assert sim.container(name).status.phase is Phase.RUNNING
    return calls.take()


async def apply_many(sim: Simulation) -> None:
    """Apply all in one batch."""
    containers = [
        draft_container(f"c{index}", networks=[f"net{index % NETWORKS}"], ports=[f"{10_000 + index}:80"])
        for index in range(CONTAINERS)
    ]
    await sim.apply(*containers)


async def apply_networks(sim: Simulation) -> None:
    """Apply what containers need."""
    networks = [make_draft(Key("Network", f"net{index}"), NetworkSpec()) for index in range(NETWORKS)]
    await sim.apply(*draft_shop(), *networks)
    await sim.settle()


def test_very_many_containers_come_about_and_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            calls = Calls()
            sim.steps.find_delay_s = calls.find_delay_s
            sim.boot()
            await apply_networks(sim)
            await count_start(sim, calls, "first")
            second = await count_start(sim, calls, "second")
            await apply_many(sim)
            await sim.settle(RESYNC_INTERVAL_S / 2)
            assert sim.faults() == []
            assert await count_start(sim, calls, "last") == second

            caplog.clear()
            caplog.set_level(logging.DEBUG, logger="controller")
            writes, effects, started = sim.state.writes, len(sim.steps.calls), time.process_time()
            await sim.settle(RESYNC_INTERVAL_S)
            cost_s = time.process_time() - started
            assert (sim.state.writes, len(sim.steps.calls)) == (writes, effects)
            assert caplog.records == []
            assert cost_s < MOST_CPU_S

    run_virtually(main)
