"""What every adapter of Pulls promises; the real one has a registry of texts behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from controller.errors import NotFound
from controller.images.pulls import BackgroundPulls
from controller.model.ids import Uid
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform
from controller.model.pulls import Pulled, PullState, PullWant, Report, Transfer, TransferState
from controller.model.registries import Credential
from controller.ports import Hint, HintType, KernelEvents, Pulls
from tests.fakes.kernel import FakeEvents
from tests.fakes.pulls import LAYER_BYTES, PULL_S, FakePulls, make_content
from tests.fakes.steps import Steps
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.fakes.world import FakeWorld

IMAGE = Uid("a" * 32)
WANT = PullWant(image=IMAGE, reference="shop:1", generation=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The port, its hints, and the registry that it pulls from."""

    pulls: Pulls
    events: KernelEvents
    registry: dict[str, str]


@dataclass(frozen=True, slots=True)
class TextSource:
    """Pulls texts; see `controller.images.pulls.Source`."""

    registry: dict[str, str]

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled:
        assert credential is None
        total = Transfer(digest="sha256:x", state=TransferState.DOWNLOADING, total_bytes=LAYER_BYTES)
        report(total)
        await asyncio.sleep(PULL_S)
        text = self.registry.get(reference.familiar)
        if text == "spoiled":
            raise ZeroDivisionError
        if text is None:
            raise NotFound(f"{reference.familiar} does not exist in the registry")
        facts = make_content(text + str(platform or ""))
        return Pulled(reference=reference, digest=facts.manifest_digest, facts=facts)


@asynccontextmanager
async def open_real(loop: VirtualLoop) -> AsyncIterator[Bench]:
    registry: dict[str, str] = {}
    async with BackgroundPulls(TextSource(registry), now=loop.now) as pulls:
        yield Bench(pulls=pulls, events=pulls, registry=registry)


@asynccontextmanager
async def open_fake(loop: VirtualLoop) -> AsyncIterator[Bench]:
    del loop
    world, steps = FakeWorld(), Steps()
    yield Bench(pulls=FakePulls(world, steps), events=FakeEvents(world, steps), registry=world.registry)


Opener = Callable[[VirtualLoop], AbstractAsyncContextManager[Bench]]


@pytest.fixture(params=[open_fake, open_real], ids=["fake", "real"])
def opener(request: pytest.FixtureRequest) -> Opener:
    """How the port is made."""
    made: Opener = request.param
    return made


def go_through(opener: Opener, story: Callable[[Bench], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with opener(loop) as bench:
            await story(bench)

    run_virtually(main)


async def wait_for_end() -> None:
    await asyncio.sleep(PULL_S + 1)


def test_a_pull_comes_to_content_and_a_hint(opener: Opener) -> None:
    async def story(bench: Bench) -> None:
        bench.registry["shop:1"] = "one"
        hints: list[Hint] = []

        async def listen() -> None:
            hints.append(await anext(aiter(bench.events.watch())))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            await asyncio.sleep(0)
            assert await bench.pulls.find(IMAGE) is None
            await bench.pulls.begin(WANT)
            await asyncio.sleep(1)
            running = await bench.pulls.find(IMAGE)
            assert running is not None
            assert (running.want, running.state, running.total_bytes) == (
                WANT,
                PullState.RUNNING,
                LAYER_BYTES,
            )
            await wait_for_end()
        done = await bench.pulls.find(IMAGE)
        assert done is not None
        assert (done.state, done.content) == (PullState.DONE, make_content("one"))
        assert hints == [Hint(type=HintType.IMAGE, subject=IMAGE)]

    go_through(opener, story)


def test_failures_in_a_row_are_counted(opener: Opener) -> None:
    async def story(bench: Bench) -> None:
        for failures in (1, 2):
            await bench.pulls.begin(WANT)
            await wait_for_end()
            failed = await bench.pulls.find(IMAGE)
            assert failed is not None
            assert (failed.state, failed.failures) == (PullState.FAILED, failures)
            assert failed.error == "shop:1 does not exist in the registry"
            assert failed.failed_at is not None
        await bench.pulls.begin(replace(WANT, serial=1))
        await wait_for_end()
        other = await bench.pulls.find(IMAGE)
        assert other is not None
        assert other.failures == 1

    go_through(opener, story)


def test_the_same_wish_is_one_pull_and_another_takes_its_place(opener: Opener) -> None:
    async def story(bench: Bench) -> None:
        bench.registry.update({"shop:1": "one", "shop:2": "two"})
        await bench.pulls.begin(WANT)
        await asyncio.sleep(PULL_S / 2)
        await bench.pulls.begin(WANT)
        await asyncio.sleep(PULL_S * 3 / 4)
        done = await bench.pulls.find(IMAGE)
        assert done is not None
        assert done.state is PullState.DONE
        second = replace(WANT, reference="shop:2", generation=2)
        await bench.pulls.begin(WANT)
        await asyncio.sleep(PULL_S / 2)
        await bench.pulls.begin(second)
        await asyncio.sleep(PULL_S * 3 / 4)
        running = await bench.pulls.find(IMAGE)
        assert running is not None
        assert (running.want, running.state) == (second, PullState.RUNNING)
        await wait_for_end()
        found = await bench.pulls.find(IMAGE)
        assert found is not None
        assert found.content == make_content("two")

    go_through(opener, story)


def test_what_is_given_up_is_forgotten(opener: Opener) -> None:
    async def story(bench: Bench) -> None:
        bench.registry["shop:1"] = "one"
        await bench.pulls.cancel(IMAGE)
        await bench.pulls.begin(WANT)
        await asyncio.sleep(1)
        await bench.pulls.cancel(IMAGE)
        await wait_for_end()
        assert await bench.pulls.find(IMAGE) is None

    go_through(opener, story)


def test_a_bug_fails_one_pull_and_harms_no_other() -> None:
    async def story(bench: Bench) -> None:
        bench.registry.update({"shop:1": "spoiled", "shop:2": "two"})
        other = PullWant(image=Uid("b" * 32), reference="shop:2", platform="linux/arm64")
        await bench.pulls.begin(WANT)
        await bench.pulls.begin(other)
        await wait_for_end()
        failed, done = await bench.pulls.find(IMAGE), await bench.pulls.find(other.image)
        assert failed is not None
        assert done is not None
        assert (failed.state, done.state) == (PullState.FAILED, PullState.DONE)
        assert "no name for" in failed.error
        assert done.content == make_content("twolinux/arm64")

    go_through(open_real, story)
