"""Calls that fail, calls that take long, hints that get lost, things of others, garbage: the goal is reached all the same."""

import random
from pathlib import Path

import pytest

from controller.errors import Exhausted, HoldError, Refused, Unavailable
from controller.model.facts import AttachmentFacts, BridgeFacts, NamespaceFacts, RootFacts
from controller.model.ids import Key, Uid
from tests.fakes.scenarios import FULL, STORIES, WEB
from tests.fakes.simulation import RESYNC_INTERVAL_S, draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.unit.test_simulation_stories import play, take

LONG_S = 400.0
"""Longer than two resyncs and every wait between two tries."""


@pytest.mark.parametrize("seed", range(6))
def test_failing_calls_are_tried_again(seed: int, tmp_path: Path) -> None:
    """A third of all calls fails for a while; policies and waits get over it."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            source = random.Random(seed)
            failing = True

            def find_error(name: str, _number: int) -> HoldError | None:
                if not failing or name.startswith("store.") or source.random() > 1 / 3:
                    return None
                return source.choice([Unavailable("busy"), Exhausted("no space"), Refused("no")])

            sim.steps.find_error = find_error
            sim.boot()
            await sim.apply(*draft_shop(), draft_container("web", **FULL))
            await sim.settle(LONG_S)
            failing = False
            await sim.settle(LONG_S)
            assert sim.faults() == []
            failing = True
            await sim.delete(WEB, Key("Network", "shop"), Key("Volume", "data"), Key("Image", "web:1"))
            await sim.settle(LONG_S)
            failing = False
            await sim.settle(LONG_S)
            assert (sim.faults(), dict(sim.store.snapshot())) == ([], {})

    run_virtually(main)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", STORIES)
def test_slow_calls_change_nothing(name: str, seed: int, tmp_path: Path) -> None:
    """Calls take from no time to a fifth of a second, so that everything overtakes everything."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            source = random.Random(seed)
            sim.steps.find_delay_s = lambda _name, _number: source.choice([0.0, 0.001, 0.2])
            sim.boot()
            await play(sim, STORIES[name])

    run_virtually(main)


@pytest.mark.parametrize("name", STORIES)
def test_steps_in_a_rush_come_to_the_last_ones_end(name: str, tmp_path: Path) -> None:
    """Nobody waits for the loops between two steps."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            for step in STORIES[name]:
                try:
                    await take(step(sim))
                except HoldError:
                    await sim.settle()
                    await take(step(sim))
                await sim.settle(0.01)
            await sim.settle(60)
            assert sim.faults() == []

    run_virtually(main)


@pytest.mark.parametrize("name", [name for name in STORIES if "drift" in name or "mount" in name])
def test_a_resync_finds_what_hints_missed(name: str, tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            sim.world.hears_hints = False
            for step in STORIES[name]:
                await take(step(sim))
                await sim.settle(1.5 * RESYNC_INTERVAL_S)
                assert sim.faults() == []

    run_virtually(main)


def test_garbage_goes(tmp_path: Path) -> None:
    """What an earlier daemon left of objects that nobody knows any more."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            stray, lost = Uid("5" * 32), Uid("6" * 32)
            sim.world.namespaces[stray] = NamespaceFacts(container=stray, loopback_up=True).loopback_up
            sim.world.roots[stray] = RootFacts(uid=stray, mounted=True, has_upper=True)
            link = AttachmentFacts(container=lost, host_link="hvlost", bridge="", host_up=True)
            sim.world.links[lost, "hvlost"] = link
            sim.world.bridges[stray] = BridgeFacts(network=stray, name="hold-stray", up=True)
            sim.world.volumes[stray] = ["precious"]
            sim.boot()
            await sim.settle()
            world = sim.world
            assert (world.namespaces, world.roots, world.links, world.bridges) == ({}, {}, {}, {})
            assert world.volumes == {stray: ["precious"]}
            assert world.violations == []

    run_virtually(main)


def test_what_is_another_s_stays(tmp_path: Path) -> None:
    """A link of others has the bridge's name: a clear condition, and not a finger on the link."""

    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await sim.apply(*draft_shop(), draft_container("web"))
            network = sim.store.snapshot()[Key("Network", "shop")]
            name = network.assigned.bridge if network.kind == "Network" and network.assigned else ""
            sim.world.foreign[name] = "a link of others"
            sim.boot()
            await sim.settle()
            network = sim.store.snapshot()[Key("Network", "shop")]
            ready = next(each for each in network.status.conditions if each.type == "Ready")
            assert ready.reason == "Conflict"
            assert name in ready.message
            assert sim.world.foreign == {name: "a link of others"}
            del sim.world.foreign[name]
            await sim.settle(LONG_S)
            assert sim.faults() == []

    run_virtually(main)
