"""The gRPC server: services, health, reflection, on a unix socket."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from controller.api.admission import Gate
from controller.api.archive_service import ArchiveParts, ArchiveService
from controller.api.archives import Archives
from controller.api.commits import CommitParts, Committer
from controller.api.container_service import ContainerParts, ContainerService
from controller.api.housekeeping import Housekeeping
from controller.api.image_library import ImageLibrary, ImageParts
from controller.api.image_service import ImageService, Importer
from controller.api.logs import Logs
from controller.api.registry_service import RegistryService
from controller.api.state_service import StateParts, StateService
from controller.api.system_service import SystemService
from controller.api.usage import Usage
from controller.api.v1 import (
    archive_pb2,
    archive_pb2_grpc,
    container_pb2,
    container_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    state_pb2,
    state_pb2_grpc,
    system_pb2,
    system_pb2_grpc,
    volume_pb2,
    volume_pb2_grpc,
)
from controller.api.volume_service import VolumeParts, VolumeService
from controller.errors import Conflict, Refused
from controller.model.layout import Layout
from controller.plan.logs import LogDefaults
from controller.ports import Diagnostics, Freezer, Processes, Registries, Sessions, VolumeContents
from controller.ports.commits import Commits
from controller.ports.files import ContainerFiles
from controller.ports.gauges import Gauges
from controller.ports.image_archives import ImageArchives

LOG = logging.getLogger(__name__)
MOST_MESSAGE_BYTES = 64 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
)
_STOP_GRACE_S = 0.5
_SERVICES = (
    state_pb2.DESCRIPTOR.services_by_name["StateService"].full_name,
    container_pb2.DESCRIPTOR.services_by_name["ContainerService"].full_name,
    image_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name,
    archive_pb2.DESCRIPTOR.services_by_name["ArchiveService"].full_name,
    volume_pb2.DESCRIPTOR.services_by_name["VolumeService"].full_name,
    registry_pb2.DESCRIPTOR.services_by_name["RegistryService"].full_name,
    system_pb2.DESCRIPTOR.services_by_name["SystemService"].full_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideParts:
    """Files and counters of containers, and what commits need besides."""

    files: ContainerFiles
    gauges: Gauges
    freezer: Freezer
    commits: Commits


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the server's services are made of."""

    gate: Gate
    state: StateParts
    sessions: Sessions
    processes: Processes
    inside: InsideParts
    importer: Importer
    images: ImageParts
    archives: ImageArchives
    volumes: VolumeContents
    registries: Registries
    diagnostics: Diagnostics
    layout: Layout
    log_defaults: LogDefaults


class _CallLog(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs alone
    """Tells the log which calls come in."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401  as in the base
        LOG.debug("call received", extra={"method": handler_call_details.method})
        return await continuation(handler_call_details)


@asynccontextmanager
async def serving(services: Services, *, socket_path: str) -> AsyncIterator[None]:
    """Serve for the length of the block.

    The socket can be used by root and by the group of its directory (mode 0660). Conflict when something answers at the
    path already; a socket that nothing answers at is replaced. Refused when the path can't be used.
    """
    await asyncio.to_thread(_clear_the_way, Path(socket_path))
    server = grpc.aio.server(options=_OPTIONS, interceptors=[_CallLog()])
    vitality = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing from the stubs
    _add_services(server, services, vitality)
    try:
        server.add_insecure_port(f"unix:{socket_path}")
    except RuntimeError as error:
        raise Refused(f"{socket_path} can't be listened on: {error}") from error
    for name in ("", *_SERVICES):
        await vitality.set(name, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    await asyncio.to_thread(Path(socket_path).chmod, 0o660)
    try:
        yield
    finally:
        await server.stop(_STOP_GRACE_S)


def _add_services(
    server: grpc.aio.Server, services: Services, vitality: health_pb2_grpc.HealthServicer
) -> None:
    state_pb2_grpc.add_StateServiceServicer_to_server(
        StateService(gate=services.gate, parts=services.state), server
    )
    container_pb2_grpc.add_ContainerServiceServicer_to_server(
        ContainerService(
            gate=services.gate,
            sessions=services.sessions,
            processes=services.processes,
            parts=_make_container_parts(services),
        ),
        server,
    )
    image_pb2_grpc.add_ImageServiceServicer_to_server(
        ImageService(
            gate=services.gate,
            importer=services.importer,
            library=ImageLibrary(gate=services.gate, parts=services.images),
        ),
        server,
    )
    archive_parts = ArchiveParts(archives=services.archives, contents=services.images.contents)
    archive_pb2_grpc.add_ArchiveServiceServicer_to_server(
        ArchiveService(gate=services.gate, parts=archive_parts), server
    )
    volume_parts = VolumeParts(contents=services.volumes, freezer=services.inside.freezer)
    volume_pb2_grpc.add_VolumeServiceServicer_to_server(
        VolumeService(gate=services.gate, parts=volume_parts), server
    )
    registry_pb2_grpc.add_RegistryServiceServicer_to_server(
        RegistryService(gate=services.gate, registries=services.registries), server
    )
    system_pb2_grpc.add_SystemServiceServicer_to_server(
        SystemService(
            store=services.gate.store,
            diagnostics=services.diagnostics,
            layout=services.layout,
            housekeeping=Housekeeping(gate=services.gate, parts=services.images),
        ),
        server,
    )
    health_pb2_grpc.add_HealthServicer_to_server(vitality, server)
    names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)


def _make_container_parts(services: Services) -> ContainerParts:
    gate, inside, layout = services.gate, services.inside, services.layout
    parts = CommitParts(
        gate=gate, files=inside.files, commits=inside.commits, freezer=inside.freezer, layout=layout
    )
    return ContainerParts(
        logs=Logs(store=gate.store, sessions=services.sessions, defaults=services.log_defaults),
        archives=Archives(gate=gate, files=inside.files, contents=services.volumes, layout=layout),
        committer=Committer(parts),
        usage=Usage(store=gate.store, gauges=inside.gauges, clock=gate.clock),
    )


def _clear_the_way(path: Path) -> None:
    """Remove a socket that nothing answers at."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not path.is_socket():
            if path.exists():
                raise Refused(f"{path} is no socket: remove it, or choose another address by --listen")
            return
        if _answers(path):
            raise Conflict(
                f"something listens at {path} already: stop it, or choose another address by --listen"
            )
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"{path} can't be listened on: {(error.strerror or str(error)).lower()}") from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True
