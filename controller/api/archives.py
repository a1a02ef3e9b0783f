"""Files of containers, for ContainerService: out, in, what was changed, how large that is."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from datetime import UTC, datetime

from controller.api.admission import Gate
from controller.api.containers import find_container, is_running, uid_of
from controller.api.convert import to_timestamp
from controller.api.uploads import list_chunks
from controller.api.v1 import container_pb2
from controller.errors import Invalid, Violation
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.mounts import Mount, MountType
from controller.model.volume import Volume
from controller.plan.container.expansion import list_mounts
from controller.plan.container.inputs import ContainerDesired, gather_container
from controller.plan.volume_mount import make_want
from controller.ports import VolumeContents
from controller.ports.files import ContainerFiles, FilesPlace, PutWant, ShownMount

MOUNT_POINTS = ("/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""What a runtime makes in every root, so as to mount something there."""

PutRequests = AsyncIterator[container_pb2.PutArchiveRequest]

_BROKEN = "the copy broke off before its end: what came first was written, copy again"


class Archives:
    """Answers the calls that are about files."""

    def __init__(
        self, *, gate: Gate, files: ContainerFiles, contents: VolumeContents, layout: Layout
    ) -> None:
        self._store = gate.store
        self._files = files
        self._contents = contents
        self._layout = layout

    def find_place(self, name: str) -> tuple[Container, FilesPlace]:
        """Return a container by its name, and where its files are. NotFound, Conflict."""
        snapshot = self._store.snapshot()
        container = find_container(snapshot, name)
        return container, derive_place(snapshot, container, self._layout)

    async def read(
        self, request: container_pb2.ArchiveRequest
    ) -> AsyncIterator[container_pb2.ArchiveResponse]:
        """Yield what is at a path, then the stream."""
        check_path(request.path)
        container, place = self.find_place(request.container)
        async with (
            self._mounted(container),
            self._files.reading(place, request.path, follow=request.follow_link) as found,
        ):
            facts = found.facts
            yield container_pb2.ArchiveResponse(
                stat=container_pb2.FileStat(
                    name=facts.name,
                    mode=facts.mode,
                    size_bytes=facts.size_bytes,
                    modified_at=to_timestamp(datetime.fromtimestamp(facts.modified_at, UTC)),
                    link_target=facts.link_target,
                )
            )
            async for chunk in found.archive:
                yield container_pb2.ArchiveResponse(chunk=chunk)

    async def put(self, requests: PutRequests) -> container_pb2.PutArchiveResponse:
        """Unpack a stream in a container."""
        first = await anext(requests, None)
        if first is None or first.WhichOneof("message") != "start":
            raise Invalid("the first message has to carry start")
        start = first.start
        check_path(start.path)
        if "/" in start.name or start.name in (".", ".."):
            raise Invalid.of([Violation(field="name", message="has to be a name without a slash")])
        container, place = self.find_place(start.container)
        want = PutWant(
            path=start.path,
            name=start.name,
            is_directory=start.is_directory,
            contents=start.contents,
            keep_owner=start.keep_owner or not start.name,
        )
        async with self._mounted(container):
            await self._files.put(place, want, list_chunks(requests, broken=_BROKEN))
        return container_pb2.PutArchiveResponse()

    @contextlib.asynccontextmanager
    async def _mounted(self, container: Container) -> AsyncGenerator[None]:
        """Keep mounted what the volumes are made of that a container would see if it ran."""
        snapshot = self._store.snapshot()
        names = {mount.source for mount in list_mounts(snapshot, container) if mount.type is MountType.VOLUME}
        async with contextlib.AsyncExitStack() as stack:
            for name in sorted(names):
                volume = snapshot.get(Key("Volume", name))
                if isinstance(volume, Volume):
                    await stack.enter_async_context(self._contents.keeping(make_want(volume)))
            yield

    async def export(
        self, request: container_pb2.ExportRequest
    ) -> AsyncIterator[container_pb2.ExportResponse]:
        """Yield all files as a stream."""
        _, place = self.find_place(request.container)
        async with self._files.exporting(place) as archive:
            async for chunk in archive:
                yield container_pb2.ExportResponse(chunk=chunk)

    async def compare(self, request: container_pb2.DiffRequest) -> container_pb2.DiffResponse:
        """Return what a container changed."""
        _, place = self.find_place(request.container)
        changes = await self._files.compare(place)
        return container_pb2.DiffResponse(
            changes=[container_pb2.FileChange(kind=each.kind, path=each.path) for each in changes]
        )

    async def measure(self, request: container_pb2.MeasureRequest) -> container_pb2.MeasureResponse:
        """Return how large writable layers are, and whole roots."""
        snapshot = self._store.snapshot()
        containers = list_containers(snapshot, request.containers)
        sizes = await self._files.measure([uid_of(each) for each in containers])
        return container_pb2.MeasureResponse(
            sizes=[
                container_pb2.LayerSize(
                    container=each.metadata.name,
                    writable_bytes=sizes[uid_of(each)],
                    virtual_bytes=sizes[uid_of(each)] + _measure_image(snapshot, each),
                )
                for each in containers
            ]
        )


def list_containers(snapshot: Snapshot, names: Iterable[str]) -> list[Container]:
    """Return the containers of these names, all when there are none. NotFound."""
    found = [find_container(snapshot, name) for name in names]
    return found or [each for each in snapshot.values() if isinstance(each, Container)]


def derive_place(snapshot: Snapshot, container: Container, layout: Layout) -> FilesPlace:
    """Return where a container's files are, and what is mounted over them."""
    desired = gather_container(snapshot, container, layout)
    mounts = (_show(mount, desired) for mount in container.spec.mounts)
    return FilesPlace(
        root=desired.root,
        pid=container.status.pid if is_running(container) else 0,
        read_only=container.spec.read_only,
        mounts=tuple(mount for mount in mounts if mount is not None),
        mount_points=tuple(sorted(_list_mount_points(container))),
    )


def _show(mount: Mount, desired: ContainerDesired) -> ShownMount | None:
    """Return what of the host a mount shows; None for memory and images, which are gone with the process."""
    source = mount.source
    if mount.type in (MountType.TMPFS, MountType.IMAGE):
        return None
    if mount.type is MountType.VOLUME:
        volume = desired.volumes.get(mount.source)
        if volume is None:
            return None
        source = desired.layout.volume_path(Uid(volume.metadata.uid or ""))
    return ShownMount(source=source, target=mount.target, read_only=mount.read_only, subpath=mount.subpath)


def _list_mount_points(container: Container) -> set[str]:
    """Return the paths that are there for mounts, and those above them."""
    paths = {*MOUNT_POINTS, *(mount.target.rstrip("/") for mount in container.spec.mounts)}
    above = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(2, path.count("/") + 1)}
    return paths | above


def _measure_image(snapshot: Snapshot, container: Container) -> int:
    image = snapshot.get(Key("Image", container.spec.image or ""))
    return image.status.size_bytes if isinstance(image, Image) else 0


def check_path(path: str) -> None:
    """Refuse what is no path."""
    if not path or "\0" in path:
        raise Invalid.of([Violation(field="path", message="name a path in the container")])
