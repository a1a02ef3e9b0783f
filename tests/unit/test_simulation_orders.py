"""A stop with a time of its own, while daemons come and go."""

from dataclasses import replace
from pathlib import Path

from controller.model.container import Phase, StopOrder
from tests.fakes.simulation import Simulation, draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.fakes.world import Program


async def _begin(sim: Simulation) -> None:
    sim.world.programs["web"] = Program(ignores_term=True)
    sim.boot()
    await sim.apply(*draft_shop(), draft_container("web"))
    await sim.settle()


async def _stop(sim: Simulation, grace_period_s: float) -> None:
    order = StopOrder(run=sim.container("web").status.run, grace_period_s=grace_period_s)
    await sim.apply(replace(draft_container("web", desired="stopped"), stop=order))


def test_a_long_stop_is_waited_for_by_the_next_daemon_too(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _begin(sim)
            await _stop(sim, 600)
            await sim.settle(300)
            await sim.kill_daemon()
            sim.boot()
            await sim.settle(290)
            assert sim.container("web").status.phase is Phase.STOPPING
            await sim.settle(20)
            status = sim.container("web").status
            assert (status.phase, status.exit_code) == (Phase.EXITED, 137)

    run_virtually(main)


def test_a_further_stop_makes_it_shorter(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _begin(sim)
            await _stop(sim, 600)
            await sim.settle(30)
            assert sim.container("web").status.phase is Phase.STOPPING
            await _stop(sim, 0)
            await sim.settle(2)
            assert sim.container("web").status.phase is Phase.EXITED

    run_virtually(main)


def test_an_order_is_for_one_end(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _begin(sim)
            await _stop(sim, 600)
            await sim.settle(601)
            await sim.apply(draft_container("web", run=1))
            await sim.settle()
            assert sim.container("web").status.phase is Phase.RUNNING
            await sim.apply(draft_container("web", desired="stopped"))
            await sim.settle(11)
            assert sim.container("web").status.phase is Phase.EXITED

    run_virtually(main)
