"""Images of registries in the life of a machine: awaited, retried, refreshed, survived."""

from pathlib import Path

from controller.model.changes import Draft
from controller.model.container import Phase
from controller.model.ids import Key
from controller.model.image import Image, ImageSource, ImageSpec
from controller.model.resource import find_condition, is_ready
from tests.fakes.pulls import PULL_S, make_content
from tests.fakes.simulation import Simulation, draft_container, draft_shop, make_draft, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually

IMAGE = "reg.example/web:1"


def find_image(simulation: Simulation) -> Image:
    found = simulation.store.snapshot()[Key("Image", IMAGE)]
    assert isinstance(found, Image)
    return found


def draft_user(name: str = "web", **fields: object) -> Draft:
    return draft_container(name, image=IMAGE, **fields)


def test_a_container_waits_for_its_image_in_a_condition(tmp_path: Path) -> None:
    async def story(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as simulation:
            simulation.boot()
            await simulation.apply(*draft_shop(), draft_user())
            await simulation.settle(1)
            waiting = find_condition(simulation.container("web").status, "ImageAvailable")
            assert waiting is not None
            assert waiting.reason == "WaitingForImage"
            await simulation.settle(PULL_S)
            told = find_condition(simulation.container("web").status, "ImageAvailable")
            assert told is not None
            assert "does not exist in the registry" in told.message
            simulation.world.registry[IMAGE] = "web"
            await simulation.settle(60)
            assert simulation.container("web").status.phase is Phase.RUNNING
            assert simulation.faults() == []
            reasons = [event.reason for event in await simulation.events()]
            assert reasons.count("PullFailed") == 1

    run_virtually(story)


def test_a_changed_reference_is_pulled_anew_and_the_container_goes_on(tmp_path: Path) -> None:
    async def story(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as simulation:
            simulation.world.registry |= {IMAGE: "web", "reg.example/web:2": "newer"}
            simulation.boot()
            await simulation.apply(*draft_shop(), draft_user())
            await simulation.settle()
            assert find_image(simulation).status.id == make_content("web").id
            spec = ImageSpec(source=ImageSource(registry="reg.example/web:2"))
            await simulation.apply(make_draft(Key("Image", IMAGE), spec))
            await simulation.settle()
            assert find_image(simulation).status.id == make_content("newer").id
            assert simulation.container("web").status.phase is Phase.RUNNING

    run_virtually(story)


def test_only_who_always_wants_the_newest_waits_for_it(tmp_path: Path) -> None:
    async def story(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as simulation:
            simulation.world.registry[IMAGE] = "web"
            simulation.boot()
            await simulation.apply(*draft_shop(), draft_user())
            await simulation.settle()
            del simulation.world.registry[IMAGE]
            await simulation.apply(draft_user("newest", pullPolicy="always"), draft_user("any"))
            await simulation.settle()
            assert simulation.container("any").status.phase is Phase.RUNNING
            assert simulation.container("newest").status.phase is Phase.PENDING
            assert is_ready(find_image(simulation).status)
            simulation.world.registry[IMAGE] = "newer"
            await simulation.settle(120)
            assert simulation.container("newest").status.phase is Phase.RUNNING
            assert find_image(simulation).status.id == make_content("newer").id
            repaired = [event.key for event in await simulation.events() if event.reason == "Repaired"]
            assert Key("Image", IMAGE) not in repaired

    run_virtually(story)


def test_a_pull_that_a_crash_ended_is_made_again(tmp_path: Path) -> None:
    async def story(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as simulation:
            simulation.world.registry[IMAGE] = "web"
            simulation.boot()
            await simulation.apply(*draft_shop(), draft_user())
            await simulation.settle(PULL_S / 2)
            await simulation.kill_daemon()
            simulation.boot()
            await simulation.settle()
            assert simulation.faults() == []
            await simulation.delete(Key("Container", "web"), Key("Image", IMAGE))
            await simulation.settle()
            assert Key("Image", IMAGE) not in simulation.store.snapshot()

    run_virtually(story)
