"""A thousand containers: they come about, and looking at them again costs little and changes nothing."""

import logging
import time
from pathlib import Path

import pytest

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

CONTAINERS = 1000
NETWORKS = 10
MOST_CPU_S = 1.0
"""Five times what a resync may cost on the machine that the target was set for."""


async def apply_many(sim: Simulation) -> None:
    """Apply all in one batch."""
    networks = [make_draft(Key("Network", f"net{index}"), NetworkSpec()) for index in range(NETWORKS)]
    containers = [
        draft_container(f"c{index}", networks=[f"net{index % NETWORKS}"], ports=[f"{10_000 + index}:80"])
        for index in range(CONTAINERS)
    ]
    await sim.apply(*draft_shop(), *networks, *containers)


def test_a_thousand_containers_come_about_and_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            sim.steps.find_delay_s = lambda _name, _number: 0.0
            await apply_many(sim)
            await sim.settle(RESYNC_INTERVAL_S / 2)
            assert sim.faults() == []

            caplog.clear()
            caplog.set_level(logging.DEBUG, logger="controller")
            writes, effects, started = sim.state.writes, len(sim.steps.calls), time.process_time()
            await sim.settle(RESYNC_INTERVAL_S)
            cost_s = time.process_time() - started
            assert (sim.state.writes, len(sim.steps.calls)) == (writes, effects)
            assert caplog.records == []
            assert cost_s < MOST_CPU_S

    run_virtually(main)
