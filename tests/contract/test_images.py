"""What every adapter of Images promises."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.errors import NotFound
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig
from controller.ports import Images
from tests.fakes.kernel import make_ports
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld
from tests.kernel.image_builder import open_store
from tests.registries.layouts import make_tar

NOTHING = frozenset[str]()


@dataclass(frozen=True, kw_only=True)
class ImagePorts:
    """The port, and how archives of one file get to where it finds them."""

    images: Images
    place: Callable[[str, str], str]

    async def bring(self, name: str, content: str, config: ImageConfig | None = None) -> ImageFacts:
        """Import an archive."""
        path = self.place(name, content)
        return await self.images.import_archive(path, config or ImageConfig(), name=f"{name}:1")


@asynccontextmanager
async def fake_images(tmp_path: Path) -> AsyncIterator[ImagePorts]:
    """Give a store in memory."""
    world = FakeWorld()

    def place(name: str, content: str) -> str:
        path = str(tmp_path / name)
        world.archives[path] = content
        return path

    yield ImagePorts(images=make_ports(world, Steps()).images, place=place)


@asynccontextmanager
async def stored_images(tmp_path: Path) -> AsyncIterator[ImagePorts]:
    """Give a store on disk."""

    def place(name: str, content: str) -> str:
        path = tmp_path / name
        path.write_bytes(make_tar({"etc/note": content.encode()}))
        return str(path)

    yield ImagePorts(images=await open_store(tmp_path), place=place)


@pytest.fixture(
    params=[
        pytest.param(fake_images, id="fake"),
        pytest.param(stored_images, id="linux", marks=pytest.mark.kernel),
    ]
)
async def ports(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ImagePorts]:
    """The port of images."""
    open_ports: Callable[[Path], AbstractAsyncContextManager[ImagePorts]] = request.param
    async with open_ports(tmp_path) as opened:
        yield opened


async def test_nothing_is_there_at_first(ports: ImagePorts) -> None:
    assert await ports.images.list() == ()
    assert await ports.images.find(f"sha256:{'0' * 64}") is None
    with pytest.raises(NotFound, match="does not exist"):
        await ports.images.import_archive("/no/such/archive", ImageConfig(), name="a:1")
    assert await ports.images.list() == ()


async def test_an_image_is_found_by_both_digests(ports: ImagePorts) -> None:
    facts = await ports.bring("a", "first", ImageConfig(environment={"A": "b"}))
    assert facts.config.environment == {"A": "b"}
    assert (len(facts.layers), facts.size_bytes) == (1, 5)
    assert await ports.images.find(facts.id) == facts
    assert await ports.images.find(facts.manifest_digest) == facts
    assert await ports.images.list() == (facts,)


async def test_content_and_configuration_decide_the_digest(ports: ImagePorts) -> None:
    first = await ports.bring("a", "first")
    assert await ports.bring("b", "first") == first
    other = await ports.bring("a", "other")
    dressed = await ports.bring("a", "first", ImageConfig(user="me"))
    assert len({first.id, other.id, dressed.id}) == 3
    assert dressed.layers == first.layers != other.layers
    assert {facts.id for facts in await ports.images.list()} == {first.id, other.id, dressed.id}


async def test_a_deleted_one_is_gone_and_others_stay(ports: ImagePorts) -> None:
    first, other = await ports.bring("a", "first"), await ports.bring("b", "other")
    for _ in range(2):
        await ports.images.delete(first.id, keep=NOTHING)
        assert await ports.images.list() == (other,)
    assert await ports.images.find(first.id) is None
    assert await ports.images.find(first.manifest_digest) is None
    assert await ports.images.discard(other.id, keep=NOTHING)
    assert await ports.images.list() == ()
    assert await ports.bring("a", "first") == first


async def test_collecting_takes_nothing_that_is_needed(ports: ImagePorts) -> None:
    first = await ports.bring("a", "first")
    dressed = await ports.bring("a", "first", ImageConfig(user="me"))
    await ports.images.delete(dressed.id, keep=NOTHING)
    reclaimed = await ports.images.collect(keep=NOTHING)
    assert reclaimed.layers == ()
    assert await ports.images.find(first.id) == first


async def test_the_same_archive_several_times_at_once_is_one_image(ports: ImagePorts) -> None:
    path = ports.place("a", "first")
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        imports = [
            tasks.create_task(ports.images.import_archive(path, ImageConfig(), name="a:1")) for _ in range(4)
        ]
    assert len({each.result().id for each in imports}) == 1
    assert len(await ports.images.list()) == 1
