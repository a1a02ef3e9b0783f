"""What the API needs of containers' insides, played by tests: files, counters, commits."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from controller.errors import HoldError
from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.plan.stats import UsageSample
from controller.ports.commits import CommitWant
from controller.ports.files import FileChange, FileFacts, FilesPlace, FilesRead, PutWant
from controller.ports.gauges import ProcessTable


async def as_stream(*chunks: bytes) -> AsyncIterator[bytes]:
    """Yield chunks."""
    for chunk in chunks:
        yield chunk


class PlayedInside:
    """Files, counters and commits at once, all as the test says."""

    def __init__(self) -> None:
        self.places: list[FilesPlace] = []
        self.puts: list[tuple[PutWant, bytes]] = []
        self.archive = (b"one", b"two")
        self.files_error: HoldError | None = None
        self.samples: dict[Uid, UsageSample] = {}
        self.rounds = 0
        self.ps_arguments: list[tuple[Uid, Sequence[str]]] = []
        self.frozen: list[tuple[str, Uid]] = []
        self.commit_wants: list[CommitWant] = []

    @asynccontextmanager
    async def reading(self, place: FilesPlace, path: str, *, follow: bool) -> AsyncGenerator[FilesRead]:
        self.places.append(place)
        if self.files_error is not None:
            raise self.files_error
        name = path.rpartition("/")[2] + (" followed" if follow else "")
        facts = FileFacts(name=name, mode=0o100644, size_bytes=3, modified_at=0.0, link_target="")
        yield FilesRead(facts=facts, archive=as_stream(*self.archive))

    async def put(self, place: FilesPlace, want: PutWant, chunks: AsyncIterator[bytes]) -> None:
        self.places.append(place)
        self.puts.append((want, b"".join([chunk async for chunk in chunks])))

    @asynccontextmanager
    async def exporting(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        self.places.append(place)
        yield as_stream(*self.archive)

    @asynccontextmanager
    async def packing(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        self.places.append(place)
        yield as_stream(*self.archive)

    async def compare(self, place: FilesPlace) -> tuple[FileChange, ...]:
        self.places.append(place)
        return (FileChange(kind="A", path="/new"), FileChange(kind="D", path="/old"))

    async def measure(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        return dict.fromkeys(uids, 100)

    async def sample(self, uids: Collection[Uid]) -> tuple[UsageSample, ...]:
        self.rounds += 1
        return tuple(sample for uid, sample in self.samples.items() if uid in uids)

    async def list_processes(self, uid: Uid, arguments: Sequence[str]) -> ProcessTable:
        self.ps_arguments.append((uid, arguments))
        return ProcessTable(titles=("PID", "CMD"), rows=(("1", "sleep 9"),))

    async def pause(self, uid: Uid) -> None:
        self.frozen.append(("pause", uid))

    async def resume(self, uid: Uid) -> None:
        self.frozen.append(("resume", uid))

    @asynccontextmanager
    async def holding(self, uid: Uid) -> AsyncGenerator[None]:
        await self.pause(uid)
        yield
        await self.resume(uid)

    @asynccontextmanager
    async def committing(self, want: CommitWant, layer: AsyncIterator[bytes]) -> AsyncGenerator[ImageFacts]:
        self.commit_wants.append(want)
        size_bytes = len(b"".join([chunk async for chunk in layer]))
        digest = f"sha256:{size_bytes:064x}"
        yield ImageFacts(
            id=digest, manifest_digest=digest, config=want.config, layers=(digest,), size_bytes=size_bytes
        )
