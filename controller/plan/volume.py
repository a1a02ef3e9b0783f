"""What to do for one volume: its directory."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.changes import EventType
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.resource import is_ready
from controller.model.volume import Volume, VolumeStatus
from controller.plan.base import Note, Plan
from controller.plan.conditions import Reason, date_conditions, make_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureDirectory:
    """Make the volume's directory."""

    volume: Uid

    def describe(self) -> str:
        return "make volume directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDirectory:
    """Remove the volume's directory and all in it."""

    volume: Uid

    def describe(self) -> str:
        return "delete volume directory"


VolumeAction = EnsureDirectory | DeleteDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDesired:
    """A volume; `users` are containers that name it, those on their way out included."""

    volume: Volume
    layout: Layout
    users: tuple[str, ...] = ()

    @property
    def uid(self) -> Uid:
        return Uid(self.volume.metadata.uid or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeObserved:
    """Whether the directory is there."""

    present: bool = False


def plan_volume(
    desired: VolumeDesired, observed: VolumeObserved, now: datetime
) -> Plan[VolumeAction, VolumeStatus]:
    """Return the next steps for a volume. A deleted one keeps its data until the last container is gone."""
    volume, status = desired.volume, desired.volume.status
    if volume.metadata.deleted_at is not None:
        return _plan_removal(desired, observed, now)
    conditions = [make_condition("Ready", Reason.PRESENT, holds=True)]
    update = {
        "observed_generation": volume.metadata.generation,
        "conditions": date_conditions(status, conditions, now),
        "path": desired.layout.volume_path(desired.uid),
    }
    notes: tuple[Note, ...] = ()
    if not observed.present and is_ready(status):
        message = "the volume's directory was gone, with all that was in it: an empty one was made"
        notes = (Note(type=EventType.WARNING, reason="DataLost", message=message),)
    actions = () if observed.present else (EnsureDirectory(volume=desired.uid),)
    return Plan(actions=actions, status=status.model_copy(update=update), notes=notes)


def _plan_removal(
    desired: VolumeDesired, observed: VolumeObserved, now: datetime
) -> Plan[VolumeAction, VolumeStatus]:
    status = desired.volume.status
    if desired.users:
        message = f"used by {', '.join(desired.users)}"
        waiting = make_condition("Ready", Reason.WAITING_FOR_CONTAINERS, message, holds=False)
        update = {"conditions": date_conditions(status, [waiting], now)}
        return Plan(actions=(), status=status.model_copy(update=update))
    actions = (DeleteDirectory(volume=desired.uid),) if observed.present else ()
    gone = make_condition("Ready", Reason.DELETED, holds=False)
    update = {"conditions": date_conditions(status, [gone], now)}
    return Plan(actions=actions, status=status.model_copy(update=update), gone=not actions)
