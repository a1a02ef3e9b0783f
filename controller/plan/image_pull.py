"""What to do for an image that comes from a registry: begin a pull, wait for it, wait before the next."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.model.changes import EventType
from controller.model.ids import Uid
from controller.model.image import Image, ImageAssigned, ImageStatus
from controller.model.image_reference import parse_reference
from controller.model.pulls import PullFacts, PullState, PullWant
from controller.model.resource import Condition, find_condition
from controller.plan.base import Note
from controller.plan.conditions import Reason, make_condition

PROGRESS_S = 2.0
"""Time between two looks at how far a pull is."""
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 300.0
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginPull:
    """Let the image's content come from its registry, in the background."""

    want: PullWant

    def describe(self) -> str:
        platform = f" for {self.want.platform}" if self.want.platform else ""
        return f"pull {self.want.reference}{platform}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPull:
    """Give up a pull that nobody needs any more."""

    image: Uid

    def describe(self) -> str:
        return "give up the pull"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep:
    """What a pull comes to just now: an action, or a wait in a condition."""

    condition: Condition
    begin: BeginPull | None = None
    wait_s: float | None = None
    note: Note | None = None


def derive_want(image: Image) -> PullWant | None:
    """Return what the image asks of its registry, None when it comes from elsewhere."""
    source, assigned = image.spec.source, image.assigned or ImageAssigned()
    if source.registry is None:
        return None
    reference = parse_reference(source.registry).complete()
    return PullWant(
        image=Uid(image.metadata.uid or ""),
        reference=(reference.at(assigned.manifest) if assigned.manifest else reference).familiar,
        platform=source.platform or "",
        generation=image.metadata.generation,
        serial=assigned.pull,
    )


def is_pull_due(image: Image) -> bool:
    """Tell whether a newer pull is asked for than the one that the content came from, and nobody has made it."""
    assigned = image.assigned or ImageAssigned()
    return not assigned.manifest and assigned.pull > image.status.pull


def find_pull_failure(image: Image) -> str:
    """Return why the latest pull failed, empty when it did not."""
    conditions = (find_condition(image.status, kind) for kind in ("Refreshed", "Ready"))
    return next(
        (each.message for each in conditions if each is not None and each.reason == Reason.PULL_FAILED), ""
    )


def find_pulled_digest(image: Image, pull: PullFacts | None) -> str:
    """Return the digest of the content that an image of a registry has come to, empty while it has come to none."""
    if image.assigned is not None and image.assigned.manifest:
        return image.assigned.manifest
    if pull is not None and pull.content is not None and pull.want == derive_want(image):
        return pull.content.id
    return image.status.id if image.status.observed_generation == image.metadata.generation else ""


def plan_pull(image: Image, want: PullWant, pull: PullFacts | None, now: datetime) -> PullStep:
    """Return the next step towards content that is wanted and not there; `pull` may be about an earlier wish."""
    if pull is None or pull.want != want or pull.state is PullState.DONE:
        return PullStep(condition=_make(Reason.PULLING, ""), begin=BeginPull(want=want))
    if pull.state is PullState.RUNNING:
        return PullStep(condition=_make(Reason.PULLING, _describe_progress(pull)), wait_s=PROGRESS_S)
    wait_s = _find_wait_s(pull, now)
    condition = _make(Reason.PULL_FAILED, pull.error)
    if wait_s <= 0:
        return PullStep(condition=condition, begin=BeginPull(want=want))
    return PullStep(condition=condition, wait_s=wait_s, note=_note_failure(image.status, pull))


def _make(reason: Reason, message: str) -> Condition:
    return make_condition("Ready", reason, message, holds=False)


def _describe_progress(pull: PullFacts) -> str:
    if not pull.total_bytes:
        return f"asking for {pull.want.reference}"
    done, total = (each / 1e6 for each in (pull.done_bytes, pull.total_bytes))
    return f"{done:.1f} of {total:.1f} MB"


def _find_wait_s(pull: PullFacts, now: datetime) -> float:
    """Return the seconds until the next attempt; they double with each failure. A clock set back makes it no longer."""
    wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * (1 << min(pull.failures - 1, _MOST_DOUBLINGS)))
    if pull.failed_at is None:
        return 0.0
    return min(wait_s, (pull.failed_at + timedelta(seconds=wait_s) - now).total_seconds())


def _note_failure(status: ImageStatus, pull: PullFacts) -> Note | None:
    """Return an event for a failure that the status does not tell of yet."""
    before = find_condition(status, "Ready")
    if before is not None and (before.reason, before.message) == (Reason.PULL_FAILED, pull.error):
        return None
    return Note(type=EventType.WARNING, reason="PullFailed", message=pull.error)
