"""A registry that misbehaves on a real socket: what comes is whole and right, or nothing stays."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import HoldError, Invalid, Refused, Unavailable
from controller.images.pull import Puller
from controller.images.registry.back_off import Patience
from controller.images.registry.client import RegistryClient, RegistryOptions
from controller.images.store import ImageStore
from controller.model.image_reference import parse_reference
from controller.model.pulls import Pulled, Transfer, TransferState
from tests.kernel.image_builder import open_store
from tests.registries.layouts import make_image
from tests.registries.misbehaving import Fault, MisbehavingRegistry, misbehaving_registry

IMAGE = make_image([{"big": bytes(range(256)) * 4000}, {"small": b"2"}], annotations={"foreign": "kept"})
BIG = IMAGE.layer_digests[0]
PACKED_BYTES = len(IMAGE.blobs[BIG])
PATIENCE = Patience(connect_s=5, silence_s=0.3, attempts=4, first_wait_s=0.01, longest_wait_s=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A registry, and a store to pull into."""

    registry: MisbehavingRegistry
    store: ImageStore
    puller: Puller
    transfers: list[Transfer] = field(default_factory=list)
    moving: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, transfer: Transfer) -> None:
        self.transfers.append(transfer)
        if transfer.state is TransferState.DOWNLOADING and transfer.digest == BIG:
            self.moving.set()

    async def pull(self, name: str = "shop:1") -> Pulled:
        return await self.puller.pull(
            parse_reference(f"{self.registry.name}/{name}"),
            platform=None,
            credential=None,
            report=self.note,
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await open_store(tmp_path)
    options = RegistryOptions(
        registries={},
        certificate_directories=(),
        keys_path=str(tmp_path / "none.json"),
        patience=PATIENCE,
        environment={},
    )
    client = RegistryClient(options, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    async with misbehaving_registry(IMAGE) as registry:
        puller = Puller(client=client, store=store, layers_at_once=3)
        yield Bench(registry=registry, store=store, puller=puller)


async def test_breaks_silence_and_failures_are_overcome(bench: Bench) -> None:
    busy = Fault(status=429, headers={"Retry-After": "0"})
    bench.registry.fail(IMAGE.manifest_digest, busy, Fault(breaks=True), Fault(status=503))
    bench.registry.fail(
        BIG,
        Fault(status=500),
        Fault(breaks=True, after_bytes=PACKED_BYTES // 3),
        Fault(hangs=True, after_bytes=10),
        Fault(raw=b"\x00\x01 junk\r\n\r\n"),
        Fault(trickles=True, after_bytes=PACKED_BYTES // 4),
    )
    pulled = await bench.pull()
    assert pulled.digest == IMAGE.manifest_digest
    content = b"".join([chunk async for chunk in bench.store.read_blob(pulled.facts.manifest_digest)])
    assert content == IMAGE.blobs[IMAGE.manifest_digest]
    resumed = [ranged for path, ranged in bench.registry.asked if path.endswith(BIG) and ranged]
    third, more = PACKED_BYTES // 3, PACKED_BYTES // 3 + 10
    assert resumed[:3] == [f"{third}-", f"{more}-", f"{more}-"]
    assert len(resumed) == 4
    assert int(resumed[3].rstrip("-")) >= more + PACKED_BYTES // 4
    states = [each.state for each in bench.transfers if each.digest == BIG]
    assert (states[0], states[-1]) == (TransferState.WAITING, TransferState.PULLED)
    assert max(each.done_bytes for each in bench.transfers if each.digest == BIG) == PACKED_BYTES


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (Fault(hangs=True), Unavailable, "fell silent"),
        (Fault(breaks=True), Unavailable, "connection broke"),
        (Fault(trickles=True), Unavailable, "less than 1,024 bytes a second"),
        (Fault(status=502), Unavailable, "status 502"),
        (Fault(status=307, headers={"Location": "file:///etc/passwd"}), Refused, "no address of the web"),
        (Fault(raw=b"SSH-2.0-hello\r\n\r\n"), Unavailable, "makes no sense"),
        (
            Fault(raw=b"HTTP/1.1 200 x\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n"),
            Unavailable,
            "makes no sense",
        ),
    ],
    ids=["hangs", "breaks", "trickles", "fails", "leads to a file", "no HTTP", "endless header"],
)
async def test_a_layer_that_does_not_come_leaves_nothing(
    bench: Bench, fault: Fault, error: type[HoldError], told: str
) -> None:
    bench.registry.fail(BIG, *[fault] * 9)
    with pytest.raises(error) as caught:
        await bench.pull()
    assert told in caught.value.message
    assert await bench.store.list() == ()
    assert not bench.store.blobs.has(BIG)


async def test_another_content_than_its_digest_says_is_refused(bench: Bench) -> None:
    spoiled = bytearray(IMAGE.blobs[BIG])
    spoiled[PACKED_BYTES // 2] ^= 1
    bench.registry.image = type(IMAGE)(
        manifest_digest=IMAGE.manifest_digest, blobs={**IMAGE.blobs, BIG: bytes(spoiled)}
    )
    with pytest.raises(Invalid):
        await bench.pull()
    assert await bench.store.list() == ()


async def test_the_same_layer_is_fetched_once_however_many_ask(bench: Bench) -> None:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        pulls = [tasks.create_task(bench.pull(f"shop{number}:1")) for number in range(4)]
    assert len({each.result().facts.id for each in pulls}) == 1
    paths = [path.rpartition("/")[2] for path, _ in bench.registry.asked if "/blobs/" in path]
    assert [paths.count(digest) for digest in IMAGE.layer_digests] == [1, 1]


async def test_a_pull_that_is_given_up_leaves_nothing(bench: Bench) -> None:
    bench.registry.fail(BIG, Fault(hangs=True, after_bytes=1000))
    task = asyncio.get_running_loop().create_task(bench.pull())
    async with asyncio.timeout(60):
        await bench.moving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.store.list() == ()
    bench.registry.faults.clear()
    assert (await bench.pull()).digest == IMAGE.manifest_digest
