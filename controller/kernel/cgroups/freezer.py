"""Pausing containers: `CgroupFreezer(cgroups=Cgroups.find(instance))`."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator

from controller.errors import NotFound, Unavailable
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.translation import translated
from controller.model.ids import Uid

_LONGEST_LOOK_S = 4.0
"""Looks that become rarer come to three times this."""
_STUCK_S = 0.01
"""Looks this far apart find a freezer that is not at work any more."""


class CgroupFreezer:
    """Implements `controller.ports.Freezer`."""

    def __init__(self, *, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._holders: Counter[Uid] = Counter()

    async def pause(self, uid: Uid) -> None:
        """Freeze every process of the container."""
        await self._ask(uid, frozen=True)

    async def resume(self, uid: Uid) -> None:
        """Let them go on."""
        await self._ask(uid, frozen=False)

    @contextlib.asynccontextmanager
    async def holding(self, uid: Uid) -> AsyncGenerator[None]:
        """See Freezer. Should this daemon die meanwhile, the container's next turn lets its processes go on."""
        if not self._cgroups.directories(uid):
            yield
            return
        if not self._holders[uid]:
            self._cgroups.held[uid] = self._cgroups.is_frozen(uid)
        self._holders[uid] += 1
        try:
            with contextlib.suppress(NotFound):
                await self._set(uid, frozen=True)
            await self._wait_until_settled(uid)
            yield
        finally:
            await self._let_go(uid)

    async def _let_go(self, uid: Uid) -> None:
        self._holders[uid] -= 1
        if self._holders[uid]:
            return
        del self._holders[uid]
        stays = self._cgroups.held.pop(uid)
        if not stays:
            with contextlib.suppress(NotFound):
                await self._set(uid, frozen=False)

    async def _wait_until_settled(self, uid: Uid) -> None:
        """Look again and again: no kernel tells in a way that both versions of cgroups share.

        Version 1 may stop halfway, for good, and has to be asked anew (cgroup-v1/freezer-subsystem.rst).
        """
        delay_s = 0.0005
        while self._cgroups.directories(uid) and not self._cgroups.has_settled(uid):
            if delay_s > _LONGEST_LOOK_S:
                raise Unavailable(f"processes of container {uid} do not freeze")
            await asyncio.sleep(delay_s)
            delay_s *= 1.5
            with contextlib.suppress(NotFound):
                if delay_s > _STUCK_S:
                    await self._set(uid, frozen=False)
                await self._set(uid, frozen=True)

    async def _ask(self, uid: Uid, *, frozen: bool) -> None:
        if uid in self._cgroups.held:
            self._cgroups.held[uid] = frozen
        else:
            await self._set(uid, frozen=frozen)

    async def _set(self, uid: Uid, *, frozen: bool) -> None:
        with translated(f"freezer of {uid}"):
            await asyncio.to_thread(self._cgroups.freeze, uid, frozen=frozen)
