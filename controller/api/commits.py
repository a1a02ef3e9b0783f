"""Images made of containers, for ContainerService."""

from contextlib import nullcontext
from dataclasses import dataclass

from controller.api.admission import Gate
from controller.api.archives import derive_place
from controller.api.containers import find_container, uid_of
from controller.api.image_service import read_config
from controller.api.v1 import container_pb2
from controller.errors import Invalid, Unavailable
from controller.model.changes import Draft
from controller.model.container import Phase
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
        runs = container.status.phase is Phase.RUNNING
        holding = self._parts.freezer.holding(uid_of(container)) if request.pause and runs else nullcontext()
        async with (
            holding,
            self._parts.files.packing(place) as layer,
            self._parts.commits.committing(want, layer) as facts,
        ):
            if request.name:
                await self._parts.gate.apply(_make_batch(request.name, facts.manifest_digest))
        return container_pb2.CommitResponse(id=facts.id)


def _make_batch(name: str, manifest_digest: str) -> ApplyBatch:
    """Return the wish for a name to stand for an image."""
    draft = Draft(
        key=Key("Image", complete_image_name(name)),
        spec=ImageSpec(source=ImageSource(stored=manifest_digest)),
        labels={},
        annotations={},
    )
    return ApplyBatch(drafts=(draft,))
