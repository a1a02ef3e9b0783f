"""Images made of containers, for ContainerService."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from controller.api.admission import Gate
from controller.api.archives import derive_place
from controller.api.containers import find_container, uid_of
from controller.api.image_service import read_config
from controller.api.v1 import container_pb2
from controller.errors import Invalid, Unavailable
from controller.model.changes import Draft
from controller.model.container import Container, DesiredState, Phase
from controller.model.ids import Key
from controller.model.image import Image, ImageConfig, ImageSource, ImageSpec, complete_image_name
from controller.model.layout import Layout
from controller.plan.admission import ApplyBatch
from controller.plan.commit import derive_config
from controller.ports import Freezer
from controller.ports.commits import Commits, CommitWant
from controller.ports.files import ContainerFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitParts:
    """What commits are made with."""

    gate: Gate
    files: ContainerFiles
    commits: Commits
    freezer: Freezer
    layout: Layout


class Committer:
    """Answers the call that makes images of containers."""

    def __init__(self, parts: CommitParts) -> None:
        self._parts = parts

    async def commit(self, request: container_pb2.CommitRequest) -> container_pb2.CommitResponse:
        """Make an image of a container and give it its name. Invalid, NotFound, Conflict."""
        snapshot = self._parts.gate.store.snapshot()
        container = find_container(snapshot, request.container)
        image = snapshot.get(Key("Image", container.spec.image or ""))
        if container.spec.image is None:
            raise Invalid(
                f"container {container.metadata.name} has no image to build upon: its root is a directory; "
                "use export, then import"
            )
        if not isinstance(image, Image) or not image.status.id:
            raise Unavailable(f"image {container.spec.image} of the container is not there")
        changes = read_config(request.config)
        if request.name:
            # Whether the name can be given is known before anything is made.
            await self._parts.gate.foresee(_make_batch(request.name, image.status.id))
        want = CommitWant(
            parent=image.status.id,
            config=derive_config(container, image.status.config or ImageConfig(), changes),
            created_at=self._parts.gate.clock.now(),
            created_by=" ".join(container.spec.command or ()),
            author=request.author,
            message=request.message,
        )
        place = derive_place(snapshot, container, self._parts.layout)
        async with (
            self._frozen(container, wanted=request.pause),
            self._parts.files.packing(place) as layer,
            self._parts.commits.committing(want, layer) as facts,
        ):
            if request.name:
                await self._parts.gate.apply(_make_batch(request.name, facts.manifest_digest))
        return container_pb2.CommitResponse(id=facts.id)

    @asynccontextmanager
    async def _frozen(self, container: Container, *, wanted: bool) -> AsyncGenerator[None]:
        """Keep the processes from writing meanwhile; should this daemon die, the next turn lets them go on."""
        if not wanted or container.status.phase is not Phase.RUNNING:
            yield
            return
        await self._parts.freezer.pause(uid_of(container))
        try:
            yield
        finally:
            present = self._parts.gate.store.snapshot().get(Key("Container", container.metadata.name))
            asked_to_rest = isinstance(present, Container) and present.spec.desired is DesiredState.PAUSED
            if not asked_to_rest:
                await self._parts.freezer.resume(uid_of(container))


def _make_batch(name: str, manifest_digest: str) -> ApplyBatch:
    """Return the wish for a name to stand for an image."""
    draft = Draft(
        key=Key("Image", complete_image_name(name)),
        spec=ImageSpec(source=ImageSource(stored=manifest_digest)),
        labels={},
        annotations={},
    )
    return ApplyBatch(drafts=(draft,))
