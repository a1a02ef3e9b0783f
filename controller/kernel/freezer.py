"""Pausing containers: `CgroupFreezer(cgroups=Cgroups.find(instance))`."""

import asyncio

from controller.kernel.cgroups import Cgroups
from controller.kernel.translation import translated
from controller.model.ids import Uid


class CgroupFreezer:
    """Implements `controller.ports.Freezer`."""

    def __init__(self, *, cgroups: Cgroups) -> None:
        self._cgroups = cgroups

    async def pause(self, uid: Uid) -> None:
        """Freeze every process of the container."""
        await self._set(uid, frozen=True)

    async def resume(self, uid: Uid) -> None:
        """Let them go on."""
        await self._set(uid, frozen=False)

    async def _set(self, uid: Uid, *, frozen: bool) -> None:
        with translated(f"freezer of {uid}"):
            await asyncio.to_thread(self._cgroups.freeze, uid, frozen=frozen)
