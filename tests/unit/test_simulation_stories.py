"""Every story comes to its end; killed after any single call of any port, a new daemon comes to the same end."""

import asyncio
from pathlib import Path

import pytest

from controller.errors import HoldError
from tests.fakes.scenarios import STORIES, Story
from tests.fakes.simulation import Simulation, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually


async def take(step: object) -> None:
    """Wait for a step that has something to wait for."""
    if asyncio.iscoroutine(step):
        await step


async def play(sim: Simulation, story: Story) -> None:
    """Take all steps; each after the loops have settled, faultless."""
    for step in story:
        await take(step(sim))
        await sim.settle()
        assert sim.faults() == []


@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_to_its_end(name: str, tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await play(sim, STORIES[name])

    run_virtually(main)


@pytest.mark.parametrize("name", STORIES)
def test_a_killed_daemon_is_made_up_for(name: str, tmp_path: Path) -> None:
    """Kill it one effect later in every round, until the story ends before the death."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            call, died = 0, True
            while died:
                call += 1
                died = await play_and_kill(sim, STORIES[name], call)
                await clear(sim)

    run_virtually(main)


async def play_and_kill(sim: Simulation, story: Story, call: int) -> bool:
    """Play with a death at the call of this number; tells whether it came to that."""
    died = False
    sim.steps.calls.clear()
    sim.steps.die_at = call
    sim.boot()
    for step in story:
        await take(step(sim))
        if await sim.settle_or_die():
            died = True
            await sim.kill_daemon()
            sim.boot()
            await sim.settle()
        assert sim.faults() == [], f"after {sim.steps.calls[call - 1] if died else 'no death'}"
    sim.steps.die_at = None
    return died


async def clear(sim: Simulation) -> None:
    """Delete everything; nothing may be left."""
    for key, resource in sim.store.snapshot().items():
        if resource.metadata.deleted_at is None:
            try:
                await sim.delete(key, cascade=True)
            except HoldError:
                continue
    await sim.settle()
    assert sim.faults() == []
    assert sim.store.snapshot() == {}
    await sim.kill_daemon()
    sim.world.programs.clear()
