"""What to do for one volume: its directory, its first content, what is mounted at it while it is used."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from controller.model.changes import EventType, Snapshot
from controller.model.container import Container, DesiredState
from controller.model.ids import Key, Uid
from controller.model.layout import Layout
from controller.model.mounts import Mount, MountType
from controller.model.plugins import DrivenVolumeFacts
from controller.model.resource import is_ready
from controller.model.volume import LOCAL, Volume, VolumeStatus
from controller.model.wants import VolumeWant
from controller.plan.base import Note, Plan
from controller.plan.conditions import Reason, date_conditions, make_condition
from controller.plan.container.expansion import list_mounts
from controller.plan.driven_volume import (
    ASK_AGAIN_S,
    DrivenVolumePlan,
    EnsureDrivenVolume,
    RemoveDrivenVolume,
    UnmountDrivenVolume,
    plan_driven_removal,
    plan_driven_volume,
    tell_fault,
)
from controller.plan.driver_loss import tell_end
from controller.plan.prune import is_done
from controller.plan.volume_mount import derive_driven, make_want

_LEAVING_S = 0.2
"""How long to wait for the mounts of a container that has just ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureDirectory:
    """Make the volume's directory."""

    volume: Uid

    def describe(self) -> str:
        return "make volume directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVolume:
    """Make the volume's directory with what another volume has; `pauses` are containers to be paused meanwhile."""

    volume: Uid
    source: VolumeWant
    source_name: str
    pauses: tuple[Uid, ...] = ()

    def describe(self) -> str:
        paused = f", {len(self.pauses)} containers paused" if self.pauses else ""
        return f"copy volume {self.source_name}{paused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmountVolume:
    """Unmount what is mounted at the volume's directory."""

    volume: Uid

    def describe(self) -> str:
        return "unmount volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDirectory:
    """Remove the volume's directory and all in it."""

    volume: Uid

    def describe(self) -> str:
        return "delete volume directory"


VolumeAction = (
    EnsureDirectory
    | CopyVolume
    | UnmountVolume
    | DeleteDirectory
    | EnsureDrivenVolume
    | UnmountDrivenVolume
    | RemoveDrivenVolume
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDesired:
    """A volume; `users` are containers that name it, those on their way out included.

    `is_needed` tells whether one of them runs, or is about to. `source` is the volume that it is copied from, with
    `writers`, the running containers that write to that one.
    """

    volume: Volume
    layout: Layout
    users: tuple[str, ...] = ()
    is_needed: bool = False
    source: Volume | None = None
    writers: tuple[Uid, ...] = ()

    @property
    def uid(self) -> Uid:
        return Uid(self.volume.metadata.uid or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeObserved:
    """Whether the directory is there, what is mounted at it, and in how many places for containers.

    `driven` is what the plugin tells that keeps the volume; None where none does, and before it was asked.
    """

    present: bool = False
    mounted: bool = False
    parts: int = 0
    driven: DrivenVolumeFacts | None = None


def gather_volume(snapshot: Snapshot, volume: Volume, users: Iterable[str], layout: Layout) -> VolumeDesired:
    """Return the volume with what it names, looked up in the snapshot; `users` name containers."""
    names, wanted = tuple(users), volume.spec.source
    source = snapshot.get(Key("Volume", wanted.volume)) if wanted is not None else None
    desired = VolumeDesired(
        volume=volume,
        layout=layout,
        users=names,
        is_needed=make_want(volume).is_mounted and _is_needed(snapshot, volume.metadata.name),
    )
    if wanted is None or not isinstance(source, Volume):
        return desired
    writers = list_writers(snapshot, wanted.volume) if wanted.pause else ()
    return replace(desired, source=source, writers=writers)


def _is_needed(snapshot: Snapshot, volume: str) -> bool:
    return any(not is_done(each) for each in _list_users(snapshot, volume))


def name_users(snapshot: Snapshot, volume: str) -> tuple[str, ...]:
    """Return the containers that have a volume mounted when they run, also by way of others."""
    return tuple(each.metadata.name for each in _list_users(snapshot, volume))


def _list_users(snapshot: Snapshot, volume: str) -> Iterator[Container]:
    for resource in snapshot.values():
        if isinstance(resource, Container) and _find_mounts(snapshot, resource, volume):
            yield resource


def list_writers(snapshot: Snapshot, volume: str) -> tuple[Uid, ...]:
    """Return the containers that run and can write to a volume; paused ones can't."""
    return tuple(
        Uid(each.metadata.uid or "")
        for each in _list_users(snapshot, volume)
        if each.status.pid and _writes(snapshot, each, volume)
    )


def _writes(snapshot: Snapshot, container: Container, volume: str) -> bool:
    paused = container.spec.desired is DesiredState.PAUSED
    return not paused and not all(mount.read_only for mount in _find_mounts(snapshot, container, volume))


def _find_mounts(snapshot: Snapshot, container: Container, volume: str) -> list[Mount]:
    """Return the mounts of a volume that a container has, also those taken over from others."""
    mounts = list_mounts(snapshot, container)
    return [each for each in mounts if each.type is MountType.VOLUME and each.source == volume]


def plan_volume(
    desired: VolumeDesired, observed: VolumeObserved, now: datetime
) -> Plan[VolumeAction, VolumeStatus]:
    """Return the next steps for a volume. A deleted one keeps its data until the last container is gone."""
    volume, status = desired.volume, desired.volume.status
    if volume.metadata.deleted_at is not None:
        return _plan_removal(desired, observed, now)
    driven = _plan_driven(desired, observed)
    if driven.fault:
        return Plan(actions=(), status=tell_fault(volume, driven.fault, now), requeue_after_s=ASK_AGAIN_S)
    if not observed.present and _lacks_source(desired):
        return _plan_waiting(desired, now)
    conditions = [make_condition("Ready", Reason.PRESENT, holds=True)]
    update = {
        "observed_generation": volume.metadata.generation,
        "conditions": date_conditions(status, conditions, now),
        "path": desired.layout.volume_path(desired.uid),
        "driver": volume.spec.driver if volume.spec.driver != LOCAL else "",
    }
    notes = driven.notes
    if not observed.present and is_ready(status) and volume.spec.driver == LOCAL:
        message = "the volume's directory was gone, with all that was in it: it was made anew"
        notes = (Note(type=EventType.WARNING, reason="DataLost", message=message),)
    rested = status.model_copy(update=update)
    if not observed.present:
        return Plan(actions=(*driven.actions, _make(desired)), status=rested, notes=notes)
    if observed.mounted and not desired.is_needed:
        return _plan_unmount(desired, observed, rested)
    asked_for = any(isinstance(action, UnmountDrivenVolume) for action in driven.actions)
    return Plan(actions=driven.actions, status=rested, notes=notes, is_asked_for=asked_for)


def _lacks_source(desired: VolumeDesired) -> bool:
    source = desired.source
    return desired.volume.spec.source is not None and (source is None or not is_ready(source.status))


def _plan_unmount(
    desired: VolumeDesired, observed: VolumeObserved, rested: VolumeStatus
) -> Plan[VolumeAction, VolumeStatus]:
    """Unmount a volume that nobody needs once its last container has let go of it."""
    if observed.parts:
        return Plan(actions=(), status=rested, requeue_after_s=_LEAVING_S)
    return Plan(actions=(UnmountVolume(volume=desired.uid),), status=rested, is_asked_for=True)


def _plan_driven(desired: VolumeDesired, observed: VolumeObserved) -> DrivenVolumePlan:
    """Return the part of the plugin that keeps the volume; it goes on showing what is still mounted."""
    want = derive_driven(desired.volume)
    if want is None:
        return DrivenVolumePlan()
    facts = observed.driven or DrivenVolumeFacts()
    return plan_driven_volume(desired.volume, want, facts, is_needed=desired.is_needed or observed.mounted)


def _make(desired: VolumeDesired) -> VolumeAction:
    source = desired.source
    if source is None:
        return EnsureDirectory(volume=desired.uid)
    return CopyVolume(
        volume=desired.uid,
        source=make_want(source),
        source_name=source.metadata.name,
        pauses=desired.writers,
    )


def _plan_waiting(desired: VolumeDesired, now: datetime) -> Plan[VolumeAction, VolumeStatus]:
    """Wait for the volume that is to be copied: nothing but a copy may take its place."""
    status, wanted = desired.volume.status, desired.volume.spec.source
    name = wanted.volume if wanted is not None else ""
    message = f"volume {name}, which is to be copied, is not there"
    waiting = make_condition("Ready", Reason.WAITING_FOR_VOLUMES, message, holds=False)
    update = {
        "observed_generation": desired.volume.metadata.generation,
        "conditions": date_conditions(status, [waiting], now),
    }
    return Plan(actions=(), status=status.model_copy(update=update))


def _plan_removal(
    desired: VolumeDesired, observed: VolumeObserved, now: datetime
) -> Plan[VolumeAction, VolumeStatus]:
    status = desired.volume.status
    if desired.users:
        message = f"used by {', '.join(desired.users)}"
        waiting = make_condition("Ready", Reason.WAITING_FOR_CONTAINERS, message, holds=False)
        update = {"conditions": date_conditions(status, [waiting], now)}
        return Plan(actions=(), status=status.model_copy(update=update))
    want = derive_driven(desired.volume)
    driven = DrivenVolumePlan()
    if want is not None:
        driven = plan_driven_removal(desired.volume, want, observed.driven or DrivenVolumeFacts())
    if driven.fault:
        told = tell_fault(desired.volume, driven.fault, now)
        return Plan(actions=(), status=told, requeue_after_s=ASK_AGAIN_S)
    actions: tuple[VolumeAction, ...] = (UnmountVolume(volume=desired.uid),) if observed.mounted else ()
    actions += driven.actions
    actions += (DeleteDirectory(volume=desired.uid),) if observed.present else ()
    end = tell_end(driven.leftover, is_gone=not actions)
    update = {"conditions": date_conditions(status, [end.ready], now)}
    return Plan(actions=actions, status=status.model_copy(update=update), notes=end.notes, gone=not actions)
