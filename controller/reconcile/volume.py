"""Volumes: what is observed of one, and how each step is carried out."""

import contextlib
from datetime import datetime
from typing import assert_never

from controller.errors import HoldError
from controller.model.changes import Snapshot
from controller.model.facts import VolumeFacts
from controller.model.kinds import key_of
from controller.model.layout import Layout
from controller.model.plugins import DrivenVolumeFacts
from controller.model.volume import Volume, VolumeStatus
from controller.plan.base import Plan
from controller.plan.conditions import Reason, list_setback
from controller.plan.driven_volume import (
    DrivenVolumeAction,
    EnsureDrivenVolume,
    RemoveDrivenVolume,
    UnmountDrivenVolume,
)
from controller.plan.volume import (
    CopyVolume,
    DeleteDirectory,
    EnsureDirectory,
    UnmountVolume,
    VolumeAction,
    VolumeDesired,
    VolumeObserved,
    gather_volume,
    plan_volume,
)
from controller.plan.volume_mount import derive_driven
from controller.ports import KernelPorts
from controller.reconcile.references import References
from controller.reconcile.world import World


class VolumeReconciler:
    """The loop's part for volumes."""

    def __init__(self, kernel: KernelPorts, layout: Layout, references: References) -> None:
        self._kernel = kernel
        self._layout = layout
        self._references = references

    def gather(self, snapshot: Snapshot, resource: Volume) -> VolumeDesired:
        """Return what is wanted, and by whom it is used."""
        users = self._references.list_users(snapshot, key_of(resource))
        return gather_volume(snapshot, resource, users, self._layout)

    def plan(
        self, desired: VolumeDesired, observed: VolumeObserved, now: datetime
    ) -> Plan[VolumeAction, VolumeStatus]:
        """Decide."""
        return plan_volume(desired, observed, now)

    def explain_failure(
        self, desired: VolumeDesired, action: VolumeAction, error: HoldError, now: datetime
    ) -> VolumeStatus:
        """Return the status after a step failed."""
        volume, status = desired.volume, desired.volume.status
        message = f"{action.describe()}: {error.message}"
        reason = Reason.NOT_DELETED if volume.metadata.deleted_at is not None else type(error).__name__
        conditions = list_setback(status, reason, message, now)
        return status.model_copy(update={"conditions": conditions})

    async def observe(self, desired: VolumeDesired) -> VolumeObserved:
        """Look at one volume."""
        facts = await self._kernel.volumes.read(desired.uid)
        return _describe(facts, await self._ask_driver(desired))

    async def recall(self, desired: VolumeDesired, world: World) -> VolumeObserved:
        """Find one volume in what a resync has read."""
        return _describe(world.volumes.get(desired.uid), await self._ask_driver(desired))

    async def _ask_driver(self, desired: VolumeDesired) -> DrivenVolumeFacts | None:
        """Return what the plugin tells that keeps the volume, None where none does."""
        want = derive_driven(desired.volume)
        return await self._kernel.drivers.volumes.read(want) if want is not None else None

    async def apply(self, action: VolumeAction) -> None:
        """Carry out one step."""
        match action:
            case EnsureDirectory(volume=volume):
                await self._kernel.volumes.ensure(volume)
            case CopyVolume():
                await self._copy(action)
            case UnmountVolume(volume=volume):
                await self._kernel.volumes.unmount(volume)
            case DeleteDirectory(volume=volume):
                await self._kernel.volumes.delete(volume)
            case EnsureDrivenVolume() | UnmountDrivenVolume() | RemoveDrivenVolume():
                await self._let_driver(action)
            case _:
                assert_never(action)

    async def _let_driver(self, action: DrivenVolumeAction) -> None:
        """Carry out a step of the plugin's."""
        volumes = self._kernel.drivers.volumes
        match action:
            case EnsureDrivenVolume(want=want):
                await volumes.ensure(want)
            case UnmountDrivenVolume(want=want):
                await volumes.unmount(want)
            case RemoveDrivenVolume(want=want):
                await volumes.remove(want)
            case _:
                assert_never(action)

    async def _copy(self, action: CopyVolume) -> None:
        """Copy a volume while nobody writes to it."""
        async with contextlib.AsyncExitStack() as stack:
            for uid in action.pauses:
                await stack.enter_async_context(self._kernel.freezer.holding(uid))
            await self._kernel.volume_contents.copy(action.volume, action.source)


def _describe(facts: VolumeFacts | None, driven: DrivenVolumeFacts | None) -> VolumeObserved:
    if facts is None:
        return VolumeObserved(driven=driven)
    return VolumeObserved(present=True, mounted=facts.mounted, parts=facts.parts, driven=driven)
