"""Images: what is observed of one, and how each step is carried out."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from controller.errors import HoldError
from controller.model.changes import Snapshot
from controller.model.facts import ImageFacts, RootFacts
from controller.model.ids import Uid
from controller.model.image import Image, ImageStatus
from controller.model.kinds import key_of
from controller.model.layout import Layout
from controller.model.pulls import PullFacts
from controller.plan.base import Plan
from controller.plan.conditions import list_setback
from controller.plan.image import (
    DeleteContent,
    ImageAction,
    ImageDesired,
    ImageObserved,
    ImportArchive,
    ImportDirectory,
    gather_image,
    plan_image,
)
from controller.plan.image_pull import BeginPull, CancelPull, find_pulled_digest
from controller.ports import KernelPorts
from controller.reconcile.references import References
from controller.reconcile.world import World


class ImageReconciler:
    """The loop's part for images.

    What an import came to is remembered until the status says it; a daemon that dies in between imports again, which
    comes to the same content.
    """

    def __init__(self, kernel: KernelPorts, references: References, layout: Layout) -> None:
        self._kernel = kernel
        self._references = references
        self._layout = layout
        self._imported: dict[Uid, tuple[int, ImageFacts]] = {}

    def gather(self, snapshot: Snapshot, resource: Image) -> ImageDesired:
        """Return what is wanted, by whom it is used, and what else has the same content."""
        return gather_image(snapshot, resource, self._references.list_users(snapshot, key_of(resource)))

    def plan(
        self, desired: ImageDesired, observed: ImageObserved, now: datetime
    ) -> Plan[ImageAction, ImageStatus]:
        """Decide."""
        return plan_image(desired, observed, now)

    def explain_failure(
        self, desired: ImageDesired, action: ImageAction, error: HoldError, now: datetime
    ) -> ImageStatus:
        """Return the status after a step failed."""
        status = desired.image.status
        message = f"{action.describe()}: {error.message}"
        conditions = list_setback(status, type(error).__name__, message, now)
        return status.model_copy(update={"conditions": conditions})

    async def observe(self, desired: ImageDesired) -> ImageObserved:
        """Look for one image's content."""
        pull = await self._find_pull(desired.image)
        digest, previous = self._find_digest(desired.image, pull), desired.image.status.id
        content = await self._kernel.images.find(digest) if digest else None
        former = await self._kernel.images.find(previous) if previous else None
        leaving = desired.image.metadata.deleted_at is not None
        roots = await self._kernel.roots.list() if leaving else ()
        held = self._is_held(content or former, roots)
        return ImageObserved(content=content, previous=former, pull=pull, held=held)

    async def recall(self, desired: ImageDesired, world: World) -> ImageObserved:
        """Find one image in what a resync has read."""
        pull = await self._find_pull(desired.image)
        digest, previous = self._find_digest(desired.image, pull), desired.image.status.id
        content, former = world.images.get(digest), world.images.get(previous)
        held = self._is_held(content or former, world.roots.values())
        return ImageObserved(content=content, previous=former, pull=pull, held=held)

    def _is_held(self, content: ImageFacts | None, roots: Iterable[RootFacts]) -> bool:
        """Tell whether a root stands on all of the content: on its topmost layer."""
        if content is None or not content.layers:
            return False
        top = self._layout.layer_path(content.layers[-1])
        return any(top in root.held_paths for root in roots)

    async def _find_pull(self, image: Image) -> PullFacts | None:
        return await self._kernel.pulls.find(Uid(image.metadata.uid or ""))

    def _find_digest(self, image: Image, pull: PullFacts | None) -> str:
        """Return the digest that the present spec came to, empty while nobody knows."""
        if image.spec.source.registry is not None:
            return find_pulled_digest(image, pull)
        if image.spec.source.stored is not None:
            return image.spec.source.stored
        if image.status.id and image.status.observed_generation == image.metadata.generation:
            return image.status.id
        generation, facts = self._imported.get(Uid(image.metadata.uid or ""), (0, None))
        return facts.id if facts is not None and generation == image.metadata.generation else ""

    async def apply(self, action: ImageAction) -> None:
        """Carry out one step."""
        images = self._kernel.images
        match action:
            case ImportArchive(name=name, path=path, config=config):
                facts = await images.import_archive(path, config, name=name)
                self._imported[action.image] = (action.generation, facts)
            case ImportDirectory(path=path, config=config):
                facts = await images.import_directory(path, config)
                self._imported[action.image] = (action.generation, facts)
            case BeginPull(want=want):
                await self._kernel.pulls.begin(want)
            case CancelPull(image=image):
                await self._kernel.pulls.cancel(image)
            case DeleteContent(image=image, image_id=image_id, keep=keep):
                await images.delete(image_id, keep=keep)
                self._imported.pop(image, None)
            case _:
                assert_never(action)
