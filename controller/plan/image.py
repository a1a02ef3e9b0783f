"""What to do for one image: its content."""

from dataclasses import dataclass
from datetime import UTC, datetime

from controller.model.changes import Snapshot
from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.model.image import Image, ImageConfig, ImageStatus, complete_image_name
from controller.model.pulls import PullFacts, PullState, PullWant
from controller.plan.base import Plan
from controller.plan.conditions import Reason, date_conditions, make_condition
from controller.plan.image_pull import BeginPull, CancelPull, derive_want, is_pull_due, plan_pull


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportArchive:
    """Store an archive for one generation of an image: a root file system, or of an image archive the image `name`."""

    image: Uid
    generation: int
    name: str
    path: str
    config: ImageConfig

    def describe(self) -> str:
        return f"import archive {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDirectory:
    """Store a copy of a directory as the image's only layer, for one generation of an image."""

    image: Uid
    generation: int
    path: str
    config: ImageConfig

    def describe(self) -> str:
        return f"import directory {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteContent:
    """Remove the image's content, but for layers that others need."""

    image: Uid
    image_id: str
    keep: frozenset[str]

    def describe(self) -> str:
        return "delete image content"


ImageAction = ImportArchive | ImportDirectory | BeginPull | CancelPull | DeleteContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDesired:
    """An image; `users` are containers that name it, those on their way out included.

    `shared` tells that another image object that stays has the same content, `keep` names layers that mounted roots stand on.
    """

    image: Image
    users: tuple[str, ...] = ()
    shared: bool = False
    keep: frozenset[str] = frozenset()

    @property
    def uid(self) -> Uid:
        return Uid(self.image.metadata.uid or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageObserved:
    """The content that the present spec came to, None when it is not (or not wholly) there.

    `previous` is the content that the status speaks of, if it is there. `pull` is how the image's pull stands. `held`
    tells, of an image on its way out, that a container's root stands on its content.
    """

    content: ImageFacts | None = None
    previous: ImageFacts | None = None
    pull: PullFacts | None = None
    held: bool = False


def gather_image(snapshot: Snapshot, image: Image, users: tuple[str, ...]) -> ImageDesired:
    """Return the image with what other images of the snapshot have in common with it."""
    others = [
        other
        for other in snapshot.values()
        if isinstance(other, Image) and other.metadata.uid != image.metadata.uid
    ]
    content = {image.status.id, image.status.digest} - {""}
    return ImageDesired(
        image=image,
        users=users,
        shared=any(_list_digests(other) & content for other in others if other.metadata.deleted_at is None),
        keep=frozenset(layer for other in others for layer in other.status.layers),
    )


def _list_digests(image: Image) -> frozenset[str]:
    """Return every digest that an image stands for, also before a turn has seen its content."""
    pulled = image.assigned.manifest if image.assigned is not None else ""
    return frozenset({image.status.id, image.spec.source.stored or "", pulled})


def plan_image(
    desired: ImageDesired, observed: ImageObserved, now: datetime
) -> Plan[ImageAction, ImageStatus]:
    """Return the next steps for an image. A deleted one keeps its content until the last container is gone.

    What an earlier spec came to stays while the new one is imported, and is left to garbage collection then.
    """
    image, status = desired.image, desired.image.status
    if image.metadata.deleted_at is not None:
        return _plan_removal(desired, observed, now)
    content = observed.content
    want = derive_want(image)
    if want is not None and (content is None or (is_pull_due(image) and not _has_arrived(want, observed))):
        return _plan_pull(desired, observed, want, now)
    if content is None:
        actions = _list_imports(image)
        message = "" if actions else "the content is not in the store: import it again"
        absent = make_condition("Ready", Reason.ABSENT, message, holds=False)
        update: dict[str, object] = {"conditions": date_conditions(status, [absent], now)}
        if not actions:
            update["observed_generation"] = image.metadata.generation
        return Plan(actions=actions, status=status.model_copy(update=update))
    present = make_condition("Ready", Reason.PRESENT, holds=True)
    update = {
        "observed_generation": image.metadata.generation,
        "conditions": date_conditions(status, [present], now),
        "id": content.id,
        "size_bytes": content.size_bytes,
        "layers": content.layers,
        "config": content.config,
        "digest": content.manifest_digest,
        "created_at": _read_time(content.created_at),
        "architecture": content.architecture,
        "os": content.os,
        "pull": image.assigned.pull if image.assigned is not None else 0,
    }
    running = observed.pull is not None and observed.pull.state is PullState.RUNNING
    cancels = (CancelPull(image=desired.uid),) if running else ()
    return Plan(actions=cancels, status=status.model_copy(update=update))


def _has_arrived(want: PullWant, observed: ImageObserved) -> bool:
    pull = observed.pull
    return pull is not None and pull.want == want and pull.state is PullState.DONE


def _plan_pull(
    desired: ImageDesired, observed: ImageObserved, want: PullWant, now: datetime
) -> Plan[ImageAction, ImageStatus]:
    """Wait for content. What was there before stays in the status: containers that don't ask for the newest use it."""
    image, status = desired.image, desired.image.status
    step = plan_pull(image, want, observed.pull, now)
    conditions = [step.condition]
    if observed.content is not None:
        refreshed = step.condition.model_copy(update={"type": "Refreshed"})
        conditions = [make_condition("Ready", Reason.PRESENT, holds=True), refreshed]
    update: dict[str, object] = {"conditions": date_conditions(status, conditions, now)}
    if observed.content is not None:
        update["observed_generation"] = image.metadata.generation
    return Plan(
        actions=(step.begin,) if step.begin is not None else (),
        status=status.model_copy(update=update),
        notes=(step.note,) if step.note is not None else (),
        requeue_after_s=step.wait_s,
        is_asked_for=observed.content is not None,
    )


def _read_time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _list_imports(image: Image) -> tuple[ImageAction, ...]:
    source, config = image.spec.source, image.spec.config or ImageConfig()
    uid, generation = Uid(image.metadata.uid or ""), image.metadata.generation
    if source.archive is not None:
        name = complete_image_name(image.metadata.name)
        return (
            ImportArchive(image=uid, generation=generation, name=name, path=source.archive, config=config),
        )
    if source.directory is not None:
        return (ImportDirectory(image=uid, generation=generation, path=source.directory, config=config),)
    return ()


def _plan_removal(
    desired: ImageDesired, observed: ImageObserved, now: datetime
) -> Plan[ImageAction, ImageStatus]:
    """Remove the content with its last name; what a container still stands on is left to garbage collection."""
    status = desired.image.status
    if desired.users:
        message = f"used by {', '.join(desired.users)}"
        waiting = make_condition("Ready", Reason.WAITING_FOR_CONTAINERS, message, holds=False)
        update = {"conditions": date_conditions(status, [waiting], now)}
        return Plan(actions=(), status=status.model_copy(update=update))
    content = observed.content or observed.previous
    gone = make_condition("Ready", Reason.DELETED, holds=False)
    update = {"conditions": date_conditions(status, [gone], now)}
    if observed.pull is not None:
        actions: tuple[ImageAction, ...] = (CancelPull(image=desired.uid),)
        return Plan(actions=actions, status=status.model_copy(update=update))
    if content is None or desired.shared or observed.held:
        return Plan(actions=(), status=status.model_copy(update=update), gone=True)
    actions = (DeleteContent(image=desired.uid, image_id=content.id, keep=desired.keep),)
    return Plan(actions=actions, status=status.model_copy(update=update))
