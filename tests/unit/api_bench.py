"""A server on a socket, the real store behind it, and a client."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2

from controller.api.admission import Gate
from controller.api.image_library import ImageParts
from controller.api.server import InsideParts, Services, serving
from controller.api.state_service import StateParts
from controller.api.v1 import (
    archive_pb2_grpc,
    container_pb2_grpc,
    image_pb2_grpc,
    registry_pb2_grpc,
    resource_pb2,
    state_pb2,
    state_pb2_grpc,
    system_pb2_grpc,
)
from controller.model.container import Container, ContainerStatus
from controller.model.ids import Key, Uid
from controller.model.layout import Layout
from controller.plan.logs import LogDefaults
from controller.store.database import derive_url
from controller.store.limits import StoreLimits
from controller.store.store import SqlStore, open_store
from tests.fakes.address_pools import make_pools
from tests.fakes.api_inside import PlayedInside
from tests.fakes.api_kernel import PlayedHost, PlayedImporter, PlayedProcesses, PlayedSessions, StillClock
from tests.fakes.image_archives import PlayedArchives
from tests.fakes.registries import FakeRegistries
from tests.fakes.steps import Steps
from tests.fakes.storage import FakeVolumeContents
from tests.fakes.world import FakeWorld


@dataclass(kw_only=True)
class Bench:
    """The server's surroundings and stubs to call it by."""

    store: SqlStore
    socket_path: str
    channel: grpc.aio.Channel
    host: PlayedHost = field(default_factory=PlayedHost)
    sessions: PlayedSessions = field(default_factory=PlayedSessions)
    processes: PlayedProcesses = field(default_factory=PlayedProcesses)
    inside: PlayedInside = field(default_factory=PlayedInside)
    importer: PlayedImporter = field(default_factory=PlayedImporter)
    registries: FakeRegistries = field(default_factory=FakeRegistries)
    archives: PlayedArchives = field(default_factory=PlayedArchives)
    world: FakeWorld = field(default_factory=FakeWorld)

    def __post_init__(self) -> None:
        self.state = state_pb2_grpc.StateServiceStub(self.channel)
        # The type stubs do not know that a call without a request iterator is written to and read from.
        self.containers: Any = container_pb2_grpc.ContainerServiceStub(self.channel)
        self.images: Any = image_pb2_grpc.ImageServiceStub(self.channel)
        self.registry: Any = registry_pb2_grpc.RegistryServiceStub(self.channel)
        self.image_archives: Any = archive_pb2_grpc.ArchiveServiceStub(self.channel)
        self.system = system_pb2_grpc.SystemServiceStub(self.channel)

    async def apply(self, *resources: resource_pb2.Resource, **options: object) -> state_pb2.ApplyResponse:
        request = state_pb2.ApplyRequest(resources=resources)
        for name, value in options.items():
            setattr(request, name, value)
        return await self.state.Apply(request)

    def find(self, name: str) -> Container:
        found = self.store.snapshot()[Key("Container", name)]
        assert isinstance(found, Container)
        return found

    async def report(self, name: str, **status: object) -> None:
        """Write a container's status, as the loops do."""
        present = self.find(name)
        merged = ContainerStatus.model_validate({**present.status.model_dump(), **status})
        await self.store.put_status(Key("Container", name), Uid(present.metadata.uid or ""), merged)


def _make_services(bench: Bench) -> Services:
    return Services(
        gate=Gate(
            store=bench.store,
            host=bench.host,
            clock=StillClock(),
            pools=make_pools(),
        ),
        state=StateParts(events=bench.store, forecaster=bench.host, sources=bench.host),
        sessions=bench.sessions,
        processes=bench.processes,
        inside=InsideParts(
            files=bench.inside, gauges=bench.inside, freezer=bench.inside, commits=bench.inside
        ),
        importer=bench.importer,
        images=ImageParts(contents=bench.importer, dangling=bench.importer, usage=bench.importer),
        registries=bench.registries,
        archives=bench.archives,
        volumes=FakeVolumeContents(bench.world, Steps()),
        diagnostics=bench.host,
        layout=Layout(root_path="/r", run_path="/x", instance="test"),
        log_defaults=LogDefaults(max_bytes=1 << 20, max_files=3),
    )


@asynccontextmanager
async def opened_bench(path: Path, *, limits: StoreLimits | None = None) -> AsyncIterator[Bench]:
    """Serve from the database in `path`, made at need."""
    socket_path = str(path / "hold.sock")
    async with (
        open_store(derive_url(str(path / "hold.db")), StillClock(), limits=limits) as store,
        grpc.aio.insecure_channel(f"unix:{socket_path}") as channel,
    ):
        bench = Bench(store=store, socket_path=socket_path, channel=channel)
        async with serving(_make_services(bench), socket_path=socket_path):
            yield bench


def volume(name: str, **labels: str) -> resource_pb2.Resource:
    metadata = resource_pb2.Metadata(name=name, labels=labels)
    return resource_pb2.Resource(kind="Volume", metadata=metadata, volume=resource_pb2.VolumeSpec())


def container(name: str, **spec: object) -> resource_pb2.Resource:
    """A container without networks or image, so that it needs no other object."""
    message = resource_pb2.Resource(
        kind="Container",
        metadata=resource_pb2.Metadata(name=name),
        container=resource_pb2.ContainerSpec(rootfs="/srv/root", network_mode="none"),
    )
    message.container.MergeFrom(resource_pb2.ContainerSpec(**spec))  # type: ignore[arg-type]
    return message


def read_details(error: grpc.aio.AioRpcError) -> dict[str, object]:
    """Return the messages in a status' details, by name."""
    metadata = dict(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()))
    raw = metadata["grpc-status-details-bin"]
    assert isinstance(raw, bytes)
    found: dict[str, object] = {}
    for packed in status_pb2.Status.FromString(raw).details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = kind()
            if packed.Unpack(message):
                found[kind.__name__] = message
    return found
