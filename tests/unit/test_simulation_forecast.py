"""What `hold plan` tells is what the loops then do, step by step, object by object."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.model.changes import Decision
from controller.model.ids import Key
from controller.reconcile.forecaster import LoopForecaster
from tests.fakes.kernel import make_ports
from tests.fakes.scenarios import STORIES
from tests.fakes.simulation import Simulation, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.unit.test_simulation_stories import take

FORESEEABLE = ("create and delete", "delete all by force", "update in place", "recreate", "host's network")
"""Stories in which nothing breaks and no program ends by itself."""

Told = dict[str, list[str]]


@pytest.fixture
def taken(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    """Steps by object, gathered from the log."""
    steps: Told = {}

    class Gatherer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "turn":
                facts = vars(record)
                steps.setdefault(facts["key"], []).extend(facts["steps"])

    caplog.set_level(logging.INFO, logger="controller.reconcile")
    gatherer = Gatherer()
    logging.getLogger("controller.reconcile").addHandler(gatherer)
    yield steps
    logging.getLogger("controller.reconcile").removeHandler(gatherer)


@pytest.mark.parametrize("name", FORESEEABLE)
def test_what_is_told_is_what_is_done(name: str, tmp_path: Path, taken: Told) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            teller = LoopForecaster(make_ports(sim.world, sim.steps), sim.state, loop, sim.layout)
            told: Told = {}

            async def tell(decision: Decision) -> None:
                told.update({str(key): list(steps) for key, steps in await teller.forecast(decision) if key})

            sim.before_commit = tell
            sim.boot()
            for step in STORIES[name]:
                taken.clear()
                told.clear()
                await take(step(sim))
                await sim.settle()
                taken.pop("Host", None)
                assert told == taken

    run_virtually(main)


def test_nothing_is_told_of_what_is_as_wanted(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            story = STORIES["create and delete"]
            await take(story[0](sim))
            await sim.settle()
            assert await tell_nothing(sim, loop) == ()

    async def tell_nothing(
        sim: Simulation, loop: VirtualLoop
    ) -> tuple[tuple[Key | None, tuple[str, ...]], ...]:
        teller = LoopForecaster(make_ports(sim.world, sim.steps), sim.state, loop, sim.layout)
        return await teller.forecast(Decision(writes=(), outcomes=()))

    run_virtually(main)
