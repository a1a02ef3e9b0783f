"""Networks and volumes of plugins on a fake machine: whole lives, while plugins come and go."""

from pathlib import Path

from controller.model.changes import Verb
from controller.model.container import Phase
from controller.model.ids import Key
from controller.model.network import NetworkSpec
from controller.model.resource import find_condition, is_ready
from controller.model.volume import VolumeSpec
from tests.fakes.drivers import FakePlugin
from tests.fakes.simulation import Simulation, draft_container, draft_shop, make_draft, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually

LOOM, BOOKS, WEB = Key("Network", "loom"), Key("Volume", "books"), Key("Container", "web")
DRAFTS = (
    *draft_shop(),
    make_draft(LOOM, NetworkSpec(driver="odd")),
    make_draft(BOOKS, VolumeSpec(driver="odd", driver_options={"mode": "750"})),
    draft_container("web", networks=["loom"], mounts=["books:/books"]),
)


async def _start(sim: Simulation) -> FakePlugin:
    """Bring up a container on a plugin's network with a plugin's volume."""
    plugin = sim.plugins.start("odd")
    sim.boot()
    await sim.apply(*DRAFTS)
    await sim.settle()
    assert sim.faults() == []
    return plugin


def _tell(sim: Simulation, key: Key) -> str:
    condition = find_condition(sim.store.snapshot()[key].status, "Ready")
    return f"{condition.reason}: {condition.message}" if condition is not None else ""


def test_a_plugin_makes_what_is_declared_and_nothing_more(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            plugin = await _start(sim)
            web, loom, books = sim.uid(WEB), sim.uid(LOOM), sim.uid(BOOKS)
            assert plugin.endpoints == {(loom, web)}
            assert (set(plugin.volumes), plugin.mounted) == ({books}, {books})
            assert plugin.volumes[books].options == {"mode": "750"}
            writes = sim.state.writes
            await sim.settle(400.0)
            assert sim.state.writes == writes
            await sim.delete(WEB)
            await sim.settle()
            assert (plugin.endpoints, plugin.mounted) == (set(), set())
            await sim.delete(LOOM, BOOKS)
            await sim.settle()
            assert (plugin.networks, plugin.volumes) == ({}, {})
            assert sim.faults() == []

    run_virtually(main)


def test_objects_wait_for_their_plugin_and_go_on_by_themselves(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await sim.apply(*DRAFTS)
            await sim.settle()
            for key in (LOOM, BOOKS):
                assert _tell(sim, key) == "DriverUnavailable: plugin odd: nobody answers"
            web = sim.container("web").status
            assert web.phase is Phase.PENDING
            waits = find_condition(web, "VolumesAvailable")
            assert waits is not None
            assert waits.message == "not there: books (plugin odd: nobody answers)"
            sim.plugins.start("odd")
            await sim.settle(1.0)
            assert sim.faults() == []

    run_virtually(main)


def test_a_plugin_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            pid = sim.container("web").status.pid
            sim.plugins.kill("odd")
            await sim.settle(1.0)
            assert _tell(sim, BOOKS).startswith("DriverUnavailable")
            await sim.kill_daemon()
            sim.boot()
            sim.world.lose_links(sim.uid(WEB))
            await sim.settle()
            assert sim.container("web").status.pid == pid
            assert not is_ready(sim.container("web").status)
            sim.plugins.start("odd")
            await sim.settle(1.0)
            assert sim.faults() == []
            assert sim.container("web").status.pid == pid

    run_virtually(main)


def test_a_plugin_that_forgets_is_told_again(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            plugin = await _start(sim)
            plugin.networks.clear()
            plugin.volumes.clear()
            sim.plugins.start("odd")
            await sim.settle(1.0)
            assert (set(plugin.networks), set(plugin.volumes)) == ({sim.uid(LOOM)}, {sim.uid(BOOKS)})

    run_virtually(main)


def test_what_a_plugin_says_no_to_is_told_and_tried_again(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            plugin = sim.plugins.start("odd")
            plugin.refusal = "the shelf is full"
            sim.boot()
            await sim.apply(*DRAFTS)
            await sim.settle()
            assert "Refused: let plugin odd make the volume: plugin odd: the shelf is full" in _tell(
                sim, BOOKS
            )
            plugin.refusal = ""
            await sim.settle(120.0)
            assert sim.faults() == []

    run_virtually(main)


def test_what_a_plugin_never_made_goes_without_it(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await sim.apply(*DRAFTS[:-1])
            await sim.settle()
            await sim.delete(LOOM, BOOKS)
            await sim.settle()
            assert LOOM not in sim.store.snapshot()
            assert BOOKS not in sim.store.snapshot()

    run_virtually(main)


def test_what_a_plugin_made_waits_for_it(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            plugin = await _start(sim)
            sim.plugins.kill("odd")
            await sim.delete(WEB, LOOM, BOOKS)
            await sim.settle()
            for key in (LOOM, BOOKS):
                assert _tell(sim, key) == "NotDeleted: plugin odd: nobody answers"
            sim.plugins.start("odd")
            await sim.settle(1.0)
            assert LOOM not in sim.store.snapshot()
            assert (plugin.networks, plugin.volumes, plugin.endpoints) == ({}, {}, set())

    run_virtually(main)


def test_what_is_told_to_goes_without_a_plugin_that_is_gone_for_good(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            sim.plugins.kill("odd")
            await sim.delete(WEB, LOOM, BOOKS)
            await sim.settle()
            decision = await sim.delete(LOOM, BOOKS, forget=True)
            assert [outcome.verb for outcome in decision.outcomes] == [Verb.DELETE, Verb.DELETE]
            await sim.settle(1.0)
            assert sim.store.snapshot().keys() & {LOOM, BOOKS} == set()
            told = [event for event in await sim.events() if event.reason == "DriverForgotten"]
            assert [event.message for event in told] == [
                f"the {noun} went without plugin odd (plugin odd: nobody answers): what that keeps of it stays there"
                for noun in ("network", "volume")
            ]

    run_virtually(main)


def test_a_plugin_that_answers_is_asked_first(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            plugin = await _start(sim)
            await sim.delete(WEB)
            await sim.settle()
            await sim.delete(LOOM, forget=True)
            await sim.settle()
            assert plugin.networks == {}
            plugin.refusal = "no way"
            await sim.delete(BOOKS)
            await sim.settle()
            assert _tell(sim, BOOKS).startswith("NotDeleted: let plugin odd remove the volume")
            await sim.delete(BOOKS, forget=True)
            await sim.settle(120.0)
            assert BOOKS not in sim.store.snapshot()
            assert list(plugin.volumes) != []

    run_virtually(main)
