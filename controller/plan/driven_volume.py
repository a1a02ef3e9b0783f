"""What to do for a volume that a plugin keeps: let the plugin make it, and mount what it shows while it is used."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.changes import EventType
from controller.model.plugins import DrivenVolume, DrivenVolumeFacts
from controller.model.resource import Condition, is_ready
from controller.model.volume import Volume, VolumeStatus
from controller.plan.base import Note
from controller.plan.conditions import Reason, date_conditions, make_condition
from controller.plan.driver_loss import describe_leftover, goes_without

ASK_AGAIN_S = 10.0
"""How long to wait for a plugin that does not answer; that it does again is told earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureDrivenVolume:
    """Let the plugin make the volume, or make it so again."""

    want: DrivenVolume

    def describe(self) -> str:
        return f"let plugin {self.want.driver} make the volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmountDrivenVolume:
    """Tell the plugin that what it shows is not needed any more."""

    want: DrivenVolume

    def describe(self) -> str:
        return f"let plugin {self.want.driver} unmount the volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDrivenVolume:
    """Let the plugin remove the volume with its data."""

    want: DrivenVolume

    def describe(self) -> str:
        return f"let plugin {self.want.driver} remove the volume"


DrivenVolumeAction = EnsureDrivenVolume | UnmountDrivenVolume | RemoveDrivenVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class DrivenVolumePlan:
    """The plugin's part of a volume's plan.

    `fault` is why the plugin can't be asked, `leftover` the warning when the volume goes without it.
    """

    actions: tuple[DrivenVolumeAction, ...] = ()
    fault: str = ""
    leftover: str = ""
    notes: tuple[Note, ...] = ()


def plan_driven_volume(
    volume: Volume, want: DrivenVolume, facts: DrivenVolumeFacts, *, is_needed: bool
) -> DrivenVolumePlan:
    """Return what the plugin is asked to do for a volume that stays; `is_needed` tells that a container uses it."""
    if facts.fault:
        return DrivenVolumePlan(fault=facts.fault)
    notes: tuple[Note, ...] = ()
    if not facts.present and is_ready(volume.status):
        message = f"plugin {want.driver} did not know the volume any more: it was told to make it anew"
        notes = (Note(type=EventType.WARNING, reason="DataLost", message=message),)
    if not facts.current:
        return DrivenVolumePlan(actions=(EnsureDrivenVolume(want=want),), notes=notes)
    if facts.mounted and not is_needed:
        return DrivenVolumePlan(actions=(UnmountDrivenVolume(want=want),))
    return DrivenVolumePlan()


def plan_driven_removal(volume: Volume, want: DrivenVolume, facts: DrivenVolumeFacts) -> DrivenVolumePlan:
    """Return what the plugin is asked to do for a volume that nobody uses any more.

    One that it was never asked to make is gone without it.
    """
    if facts.fault and not volume.status.driver:
        return DrivenVolumePlan()
    if goes_without(volume.assigned, volume.status, fault=facts.fault):
        return DrivenVolumePlan(leftover=describe_leftover(want.driver, "volume", facts.fault))
    if facts.fault:
        return DrivenVolumePlan(fault=facts.fault)
    actions: tuple[DrivenVolumeAction, ...] = (UnmountDrivenVolume(want=want),) if facts.mounted else ()
    actions += (RemoveDrivenVolume(want=want),) if facts.present else ()
    return DrivenVolumePlan(actions=actions)


def tell_fault(volume: Volume, fault: str, now: datetime) -> VolumeStatus:
    """Return the status of a volume whose plugin can't be asked; containers that run keep what they have."""
    reason = Reason.NOT_DELETED if volume.metadata.deleted_at is not None else Reason.DRIVER_UNAVAILABLE
    condition: Condition = make_condition("Ready", reason, fault, holds=False)
    update = {
        "observed_generation": volume.metadata.generation,
        "conditions": date_conditions(volume.status, [condition], now),
    }
    return volume.status.model_copy(update=update)


def advance_driven(facts: DrivenVolumeFacts | None, action: DrivenVolumeAction) -> DrivenVolumeFacts:
    """Return what the plugin will tell after `action`."""
    match action:
        case EnsureDrivenVolume():
            return DrivenVolumeFacts(
                present=True, current=True, mounted=facts.mounted if facts is not None else False
            )
        case UnmountDrivenVolume():
            return DrivenVolumeFacts(present=True, current=True)
        case RemoveDrivenVolume():
            return DrivenVolumeFacts()
