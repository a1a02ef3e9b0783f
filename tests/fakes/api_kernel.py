"""What the API needs of the kernel and of the host, played by tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from controller.errors import HoldError, NotFound
from controller.model.changes import Decision
from controller.model.facts import HostFacts, ImageFacts, ProcessFacts, ProcessState
from controller.model.host import Check, CheckResult, HostDescription
from controller.model.ids import Key, Uid
from controller.model.image import ImageConfig
from controller.model.provenance import Provenance
from controller.model.usage import NOTHING, DiskFacts, Removed
from controller.model.wants import ProcessWant
from controller.ports import ExecWant, LogLine, SourceStatus, Stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class StillClock:
    """Time that does not pass."""

    def now(self) -> datetime:
        return NOW


class PlayedSession:
    """A process' streams: tests put output in and look at what came as input."""

    def __init__(self) -> None:
        self.to_client: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue()
        self.from_client: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        while (piece := await self.to_client.get()) is not None:
            yield piece

    async def write(self, data: bytes) -> None:
        await self.from_client.put(("data", data))

    async def close_stdin(self) -> None:
        await self.from_client.put(("end", b""))

    async def resize(self, *, rows: int, columns: int) -> None:
        await self.from_client.put(("resize", f"{rows}x{columns}".encode()))

    async def exit_code(self) -> int | None:
        return await asyncio.shield(self.code)

    async def close(self) -> None:
        self.closed.set()


class PlayedGate:
    """Held by Run until it is attached."""

    def __init__(self) -> None:
        self.container: asyncio.Future[Uid] = asyncio.get_running_loop().create_future()
        self.opened = asyncio.Event()

    async def created(self) -> Uid:
        return await asyncio.shield(self.container)

    def open(self) -> None:
        self.opened.set()


class PlayedSessions:
    """Sessions whose processes are the test."""

    def __init__(self) -> None:
        self.gates: dict[str, PlayedGate] = {}
        self.session: PlayedSession | None = None
        self.exec_error: HoldError | None = None
        self.wants: list[ExecWant] = []
        self.lines: list[LogLine] = []
        self.read_logs: list[tuple[Uid, bool]] = []
        self.previous_lines: list[LogLine] | None = None

    async def attach(self, uid: Uid) -> PlayedSession:
        if self.session is None:
            raise NotFound(f"{uid} has no process")
        return self.session

    def expect_attach(self, name: str) -> PlayedGate:
        return self.gates.setdefault(name, PlayedGate())

    async def exec(self, uid: Uid, want: ExecWant) -> PlayedSession:
        self.wants.append(want)
        if self.exec_error is not None:
            raise self.exec_error
        return await self.attach(uid)

    async def logs(
        self,
        uid: Uid,
        *,
        follow: asyncio.Event | None,
        since: datetime | None,
        tail: int | None,
        previous: bool = False,
    ) -> AsyncGenerator[LogLine, None]:
        self.read_logs.append((uid, follow is not None))
        lines = self.previous_lines if previous else self.lines
        if lines is None:
            raise NotFound("there was no earlier run")
        begin = 0 if tail is None else max(0, len(lines) - tail)
        end = len(lines)
        for line in lines[begin:end]:
            if since is None or line.at >= since:
                yield line
        if follow is not None:
            await follow.wait()
            for line in lines[end:]:
                yield line


class PlayedProcesses:
    """Processes that only remember their signals."""

    def __init__(self) -> None:
        self.signals: asyncio.Queue[tuple[Uid, int]] = asyncio.Queue()

    async def list(self) -> tuple[ProcessFacts, ...]:
        return ()

    async def read(self, uid: Uid) -> ProcessFacts | None:
        return ProcessFacts(uid=uid, state=ProcessState.RUNNING)

    async def create(self, want: ProcessWant) -> None: ...

    async def start(self, uid: Uid) -> None: ...

    async def signal(self, uid: Uid, number: int) -> None:
        await self.signals.put((uid, number))

    async def delete(self, uid: Uid) -> None: ...


class PlayedHost:
    """A host with nothing on it, and with what else the API asks about it."""

    def __init__(self) -> None:
        self.diagnosis_error: Exception | None = None

    async def read(self, *, networks: bool) -> HostFacts:
        return HostFacts(link_names=frozenset({"lo"}) if networks else frozenset())

    async def describe(self) -> HostDescription:
        return HostDescription(
            version="1", python_version="3.11", kernel_release="6.1", architecture="x86_64",
            operating_system="Debian", processors=2, memory_bytes=1 << 30, cgroup_layout="v2",
            firewall_backend="nft", default_runtime="crun", pid=1, started_at=NOW,
        )  # fmt: skip

    async def diagnose(self) -> tuple[Check, ...]:
        if self.diagnosis_error is not None:
            raise self.diagnosis_error
        return (Check(name="overlay", result=CheckResult.OK, message="found"),)

    def sources(self) -> tuple[SourceStatus, ...]:
        return (SourceStatus(name="site", path="/etc/hold", error="bad", objects=3, applied_at=None),)

    async def forecast(self, decision: Decision) -> tuple[tuple[Key | None, tuple[str, ...]], ...]:
        return ((None, ("load the firewall",)), *((each.key, ("make it",)) for each in decision.outcomes))


class PlayedImporter:
    """Takes in whatever comes, and tells what it has."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.provenances: list[Provenance] = []
        self.kept: dict[str, ImageFacts] = {}
        self.documents: dict[str, bytes] = {}
        self.disk = NOTHING

    def keep(self, facts: ImageFacts, document: bytes = b"{}") -> ImageFacts:
        """Have the content of an image."""
        self.kept[facts.id] = facts
        self.documents[facts.id] = document
        return facts

    async def list(self) -> tuple[ImageFacts, ...]:
        return tuple(self.kept.values())

    async def find(self, digest: str) -> ImageFacts | None:
        return next((each for each in self.kept.values() if digest in (each.id, each.manifest_digest)), None)

    def lease(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def read_document(self, digest: str) -> bytes:
        return self.documents[digest]

    async def list_parts(self, image_id: str) -> frozenset[str]:
        return frozenset((image_id, *self.kept[image_id].layers))

    async def find_roots(self) -> Mapping[str, tuple[Uid, ...]]:
        return {}

    async def remove(self, image_ids: Collection[str]) -> Removed:
        return Removed(images=tuple(image_id for image_id in image_ids if self.kept.pop(image_id, None)))

    async def measure(self) -> DiskFacts:
        return self.disk

    async def find_layer_sizes(self, layers: Iterable[str]) -> Mapping[str, int]:
        return dict.fromkeys(layers, 1)

    async def receive(
        self, chunks: AsyncIterator[bytes], config: ImageConfig, provenance: Provenance
    ) -> ImageFacts:
        self.provenances.append(provenance)
        content = b"".join([chunk async for chunk in chunks])
        self.received.append(content)
        digest = f"sha256:{len(content):064x}"
        return ImageFacts(
            id=digest, manifest_digest=digest, config=config, layers=(digest,), size_bytes=len(content)
        )
