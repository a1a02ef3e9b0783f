"""Garbage collection beside pulls, in every order that chance comes upon: what is or becomes used is never taken."""

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import derive_chain_ids, derive_digest, render_manifest
from controller.images.leases import Leases
from controller.images.store import ImageStore
from controller.model.layout import Layout
from tests.fakes.unpacker import FakeUnpacker

P = ParamSpec("P")
R = TypeVar("R")

LAYERS = tuple(f"layer {index}".encode() for index in range(4))
IMAGES = ((0,), (0, 1), (0, 1, 2), (0, 3), (3,))
"""Images share their lowest layers."""


class _AtOnce(ThreadPoolExecutor):
    """Does work when it is asked, so that the order of things is the test's alone."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        done: Future[R] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except OSError as error:
            done.set_exception(error)
        return done


class Host:
    """A store on disk, and what is asked of it."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self._layout = Layout(root_path=str(path), run_path=str(path), instance="test")
        self._chance = chance
        self.store = self.make_store("boot 1")

    def make_store(self, boot_id: str) -> ImageStore:
        """Return a store as a new daemon has it."""
        unpacker = FakeUnpacker(lambda: self._chance.randrange(4))
        return ImageStore(layout=self._layout, unpacker=unpacker, boot_id=boot_id)

    async def restart(self, boot_id: str) -> None:
        """Begin anew from what lies on disk."""
        self.store = self.make_store(boot_id)
        await self.store.open()

    async def pull(self, which: int) -> None:
        """Pull an image; when that is done it is whole."""
        contents = [LAYERS[index] for index in IMAGES[which]]
        diff_ids = tuple(derive_digest(content) for content in contents)
        config = json.dumps({"rootfs": {"diff_ids": diff_ids}, "author": str(which)}).encode()
        layers = tuple(
            Descriptor(media_type=OCI_LAYER, digest=digest, size_bytes=len(content))
            for digest, content in zip(diff_ids, contents, strict=True)
        )
        with self.store.lease():
            async with asyncio.TaskGroup() as tasks:
                for layer, chain_id, content in zip(
                    layers, derive_chain_ids(diff_ids), contents, strict=True
                ):
                    if not (self.store.layers.has(chain_id) and self.store.blobs.has(layer.digest)):
                        chunks = self._send(content)
                        tasks.create_task(self._put(layer, chain_id, chunks))
                    await self._dawdle()
            facts = await self.store.put_image(render_manifest(config, layers), config)
            self.check()
            assert await self.store.find(facts.id) == facts
        await self._dawdle()

    async def _put(self, layer: Descriptor, chain_id: str, chunks: AsyncIterator[bytes]) -> None:
        await self.store.layers.put(layer, diff_id=layer.digest, chain_id=chain_id, chunks=chunks)

    async def _send(self, content: bytes) -> AsyncIterator[bytes]:
        for byte in content:
            await self._dawdle()
            yield bytes([byte])

    async def delete(self, which: int) -> None:
        """Remove an image if there is one."""
        for facts in await self.store.list():
            if (self.store.get_entry(facts.id).configuration.diff_ids) == tuple(
                derive_digest(LAYERS[index]) for index in IMAGES[which]
            ):
                await self.store.delete(facts.id, keep=frozenset())

    async def collect(self) -> None:
        """Collect garbage, whoever is at work."""
        await self._dawdle()
        await self.store.collect(keep=frozenset())

    async def _dawdle(self) -> None:
        for _ in range(self._chance.randrange(5)):
            await asyncio.sleep(0)

    def check(self) -> None:
        """Every image that counts has all its layers, unpacked and packed, on disk."""
        for entry in list(self.store._entries.values()):
            for chain_id in entry.facts.layers:
                assert (Path(self._layout.layer_path(chain_id)) / "content").is_file()
            for digest in entry.contents - set(entry.facts.layers):
                assert self.store.blobs.path(digest).is_file()

    def list_left(self) -> list[str]:
        """Return what lies in the directories of content."""
        images_path = Path(self._layout.blobs_path).parent
        return sorted(
            f"{name}/{path.name}"
            for name in ("blobs", "layers", "facts", "catalog", "uploads")
            for path in (images_path / name).iterdir()
        )


STEPS = st.lists(
    st.tuples(st.sampled_from(["pull", "delete", "collect"]), st.integers(0, len(IMAGES) - 1)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(0, 1 << 32), st.one_of(st.none(), st.integers(0, 400)))
def test_what_is_used_is_never_taken(
    steps: list[tuple[str, int]], seed: int, crash_after: int | None
) -> None:
    with tempfile.TemporaryDirectory() as scratch, asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_AtOnce())
        runner.run(_play(Host(Path(scratch), random.Random(seed)), steps, crash_after))


async def _play(host: Host, steps: list[tuple[str, int]], crash_after: int | None) -> None:
    await host.store.open()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_step(host, *step)) for step in steps]
        turn = 0
        while not all(task.done() for task in running):
            host.check()
            await asyncio.sleep(0)
            turn += 1
            if turn == crash_after:
                for task in running:
                    task.cancel()
    host.check()
    before = await host.store.list()
    await host.restart("boot 1")
    assert set(map(id_of, await host.store.list())) == set(map(id_of, before))
    await host.store.settle()
    await host.restart("boot 2")
    host.check()
    assert set(map(id_of, await host.store.list())) == set(map(id_of, before))
    for facts in before:
        await host.store.delete(facts.id, keep=frozenset())
    await host.store.collect(keep=frozenset())
    assert host.list_left() == []


def id_of(facts: object) -> str:
    """Return an image's id."""
    return str(getattr(facts, "id", ""))


async def _step(host: Host, verb: str, which: int) -> None:
    match verb:
        case "pull":
            await host.pull(which)
        case "delete":
            await host.delete(which)
        case _:
            await host.collect()


async def test_what_a_power_failure_may_have_spoiled_is_not_trusted(tmp_path: Path) -> None:
    host = Host(tmp_path, random.Random(1))
    await host.store.open()
    await host.pull(0)
    await host.store.settle()
    await host.pull(2)
    await host.restart("boot 2")
    assert [len(facts.layers) for facts in await host.store.list()] == [1]
    host.check()
    await host.pull(2)
    await host.store.settle()
    await host.restart("boot 3")
    assert sorted(len(facts.layers) for facts in await host.store.list()) == [1, 3]


async def test_the_same_layer_is_taken_in_once(tmp_path: Path) -> None:
    host = Host(tmp_path, random.Random(1))
    await host.store.open()
    started = 0

    async def send() -> AsyncIterator[bytes]:
        nonlocal started
        started += 1
        yield LAYERS[0]

    digest = derive_digest(LAYERS[0])
    layer = Descriptor(media_type=OCI_LAYER, digest=digest, size_bytes=len(LAYERS[0]))
    with host.store.lease():
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(host._put(layer, digest, send()))
    assert started == 1


def test_a_lease_protects_what_was_touched_since_it_began() -> None:
    leases = Leases()
    leases.touch("before")
    with leases.lease():
        assert not leases.protects("before")
        leases.touch("a")
        with leases.lease():
            leases.touch("b")
            assert leases.protects("a")
        assert leases.protects("b")
    assert not leases.protects("a")
    assert not leases.protects("b")
