"""What containers wrote, for those who ask."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime

from controller.api.containers import find_container, is_running, uid_of, wait_for
from controller.api.convert import to_timestamp
from controller.api.log_batches import LogBatches
from controller.api.v1 import container_pb2
from controller.model.container import Container, DesiredState, Phase
from controller.model.ids import Key
from controller.model.image import Image, complete_image_name
from controller.plan.logs import LogDefaults, choose_details, merge_settings, render_tag
from controller.ports import LogLine, Sessions, StateStore

_NEVER = datetime.max.replace(tzinfo=UTC)

Write = Callable[[container_pb2.LogsResponse], Awaitable[None]]


class Logs:
    """Answers ContainerService.Logs. `defaults` are for what containers do not say about their logs."""

    def __init__(self, *, store: StateStore, sessions: Sessions, defaults: LogDefaults) -> None:
        self._store = store
        self._sessions = sessions
        self._defaults = defaults

    async def serve(self, request: container_pb2.LogsRequest, write: Write) -> None:
        """Write what there is; one who follows gets more until the container is at rest or deleted."""
        container = find_container(self._store.snapshot(), request.container)
        if not request.follow or request.previous:
            await self._copy(container, request, None, write)
            return
        at_rest = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(container, at_rest))
            await self._copy(container, request, at_rest, write)
            watching.cancel()

    async def _watch(self, container: Container, at_rest: asyncio.Event) -> None:
        await wait_for(self._store, container, is_at_rest)
        at_rest.set()

    async def _copy(
        self,
        container: Container,
        request: container_pb2.LogsRequest,
        follow: asyncio.Event | None,
        write: Write,
    ) -> None:
        details = self._find_details(container) if request.details else {}
        until = request.until.ToDatetime(tzinfo=UTC) if request.HasField("until") else _NEVER
        lines = self._sessions.logs(
            uid_of(container),
            follow=follow,
            since=request.since.ToDatetime(tzinfo=UTC) if request.HasField("since") else None,
            tail=request.tail if request.HasField("tail") else None,
            previous=request.previous,
        )

        async def send(batch: list[LogLine]) -> None:
            if request.batch:
                pieces = [
                    container_pb2.LogPiece(at=to_timestamp(line.at), stream=line.stream, data=line.data)
                    for line in batch
                ]
                await write(container_pb2.LogsResponse(pieces=pieces, details=details))
                return
            for line in batch:
                at = to_timestamp(line.at)
                await write(
                    container_pb2.LogsResponse(at=at, stream=line.stream, data=line.data, details=details)
                )

        async with contextlib.aclosing(lines), contextlib.aclosing(_take_until(lines, until)) as wanted:
            await LogBatches(wanted, send).run()

    def _find_details(self, container: Container) -> dict[str, str]:
        """Return the labels, variables and the tag that the log is to be marked with, its image's among them."""
        spec = container.spec
        settings = merge_settings(spec.logging, self._defaults)
        image = self._store.snapshot().get(Key("Image", complete_image_name(spec.image or "")))
        config = image.status.config if isinstance(image, Image) else None
        tag = render_tag(
            settings.tag or "", uid=uid_of(container), name=container.metadata.name, image=spec.image or ""
        )
        return choose_details(
            settings,
            tag=tag,
            labels={**(config.labels if config else {}), **container.metadata.labels},
            environment={**(config.environment if config else {}), **spec.environment},
        )


def is_at_rest(container: Container) -> bool:
    """Tell whether nothing more will be written, unless somebody asks for another run."""
    status, spec = container.status, container.spec
    if is_running(container) or status.run < spec.run:
        return False
    return status.phase is Phase.EXITED or spec.desired is DesiredState.STOPPED


async def _take_until(lines: AsyncGenerator[LogLine, None], until: datetime) -> AsyncGenerator[LogLine, None]:
    async for line in lines:
        if line.at > until:
            return
        yield line
