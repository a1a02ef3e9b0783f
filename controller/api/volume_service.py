"""VolumeService: what is in volumes, out and in."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from controller.api.admission import Gate
from controller.api.status import reported
from controller.api.uploads import list_chunks
from controller.api.v1 import volume_pb2, volume_pb2_grpc
from controller.errors import Conflict, InUse, Invalid, NotFound, Unavailable
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.ids import Key
from controller.model.volume import SNAPSHOT_LABEL, Volume
from controller.plan.admission.findings import suggest
from controller.plan.volume import list_writers, name_users
from controller.plan.volume_mount import make_want
from controller.ports import Freezer, VolumeContents

_STALLED_S = 30.0
_BROKEN = "the upload broke off before its end: nothing was changed, send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeParts:
    """What volumes' contents are worked on with."""

    contents: VolumeContents
    freezer: Freezer


class VolumeService(volume_pb2_grpc.VolumeServiceServicer):
    """Implements hold.v1.VolumeService."""

    def __init__(self, *, gate: Gate, parts: VolumeParts) -> None:
        self._store = gate.store
        self._parts = parts

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def BackUpVolume(  # type: ignore[override]
        self, request: volume_pb2.BackUpVolumeRequest, context: Any
    ) -> None:
        """See the proto."""
        async with reported(context):
            volume = find_volume(self._store.snapshot(), request.volume)
            async with (
                self._quiet(volume, live=request.live),
                self._parts.contents.reading(make_want(volume)) as archive,
            ):
                async for chunk in archive:
                    await send_piece(context, volume_pb2.BackUpVolumeResponse(chunk=chunk), live=request.live)

    async def RestoreVolume(self, request_iterator: Any, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            requests = aiter(request_iterator)
            first: volume_pb2.RestoreVolumeRequest | None = await anext(requests, None)
            if first is None or first.WhichOneof("message") != "start":
                raise Invalid("the first message has to carry start")
            volume = self._find_idle(first.start.volume)
            chunks = self._check_at_end(list_chunks(requests, broken=_BROKEN), volume.metadata.name)
            await self._parts.contents.restore(make_want(volume), chunks, force=first.start.force)
            return volume_pb2.RestoreVolumeResponse()

    async def RevertVolume(self, request: volume_pb2.RevertVolumeRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            volume = self._find_idle(request.volume)
            source = find_volume(self._store.snapshot(), request.source)
            if source.metadata.uid == volume.metadata.uid:
                raise Invalid("a volume can't be made out of itself: name another one, such as a snapshot")
            async with self._quiet(source, live=request.live):
                await self._parts.contents.revert(make_want(volume), make_want(source), force=request.force)
            return volume_pb2.RevertVolumeResponse()

    async def _check_at_end(self, chunks: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
        """Yield the chunks; raise when a container has begun to use the volume by the time that they are all there."""
        async for chunk in chunks:
            yield chunk
        self._find_idle(name)

    def _find_idle(self, name: str) -> Volume:
        """Return a volume whose content may be replaced: no program has files of it open."""
        snapshot = self._store.snapshot()
        volume = find_volume(snapshot, name)
        if SNAPSHOT_LABEL in volume.metadata.labels:
            raise Conflict(f"volume {name} is a snapshot, which stays as it is")
        running = ", ".join(
            user for user in name_users(snapshot, name) if _runs(snapshot.get(Key("Container", user)))
        )
        if running:
            raise InUse(f"volume {name} is used by {running}: stop what uses it first")
        return volume

    @contextlib.asynccontextmanager
    async def _quiet(self, volume: Volume, *, live: bool) -> AsyncGenerator[None]:
        """Keep whoever writes to a volume from running, unless it is to be read live."""
        writers = () if live else list_writers(self._store.snapshot(), volume.metadata.name)
        async with contextlib.AsyncExitStack() as stack:
            for uid in writers:
                await stack.enter_async_context(self._parts.freezer.holding(uid))
            yield


async def send_piece(context: Any, message: volume_pb2.BackUpVolumeResponse, *, live: bool) -> None:
    """Send a piece; Unavailable when the client takes none any more, for which containers must not wait."""
    try:
        async with asyncio.timeout(None if live else _STALLED_S):
            await context.write(message)
    except TimeoutError as error:
        raise Unavailable(
            f"nobody has read the archive for {_STALLED_S:.0f} s, while containers were held: read faster, or live"
        ) from error


def find_volume(snapshot: Snapshot, name: str) -> Volume:
    """Return the volume of that name."""
    found = snapshot.get(Key("Volume", name))
    if not isinstance(found, Volume):
        near = suggest(name, (key.name for key in snapshot if key.kind == "Volume"))
        raise NotFound(f"volume {name} does not exist{near}")
    return found


def _runs(container: object) -> bool:
    return isinstance(container, Container) and container.status.pid > 0
