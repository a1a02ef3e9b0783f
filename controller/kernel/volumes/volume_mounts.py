"""What is mounted at the data directories of volumes with options: `VolumeMounts(layout=..., runner=Runner())`.

A container that is started has the volume mounted a second time in its staging directory, which says for how long the
volume is used, whatever happens to the daemon.
"""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

from controller.errors import InUse, Refused, Unavailable
from controller.kernel.mountinfo import read_mounts
from controller.kernel.roots.staging import derive_mark_path
from controller.kernel.subprocesses import Runner
from controller.kernel.unmounting import unmount_all
from controller.kernel.volumes.whole_copies import Workplace
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.volume_options import NFS_TYPES, find_nfs_server
from controller.model.wants import VolumeMount, VolumeWant
from controller.plan.oci.staging import find_volume_of_part
from controller.plan.volume_mount import render_mount_command, set_nfs_address
from controller.ports.plugins import VolumeDrivers

_TIMEOUT_S = 60.0


class VolumeMounts:
    """Mounts once, however many use it; unmounts when the last one has gone."""

    def __init__(self, *, layout: Layout, runner: Runner, drivers: VolumeDrivers) -> None:
        self._layout = layout
        self._runner = runner
        self._drivers = drivers
        self._locks: dict[Uid, asyncio.Lock] = {}
        self._keepers: Counter[Uid] = Counter()
        self._settled: set[Uid] = set()
        self._closed: Counter[Uid] = Counter()

    def list_mounted(self) -> frozenset[Uid]:
        """Return the volumes with a mount at their data directory."""
        real_path = os.path.realpath(self._layout.volumes_path)
        paths = (entry.target.removeprefix(real_path).split("/") for entry in read_mounts(f"{real_path}/"))
        return frozenset(Uid(parts[1]) for parts in paths if len(parts) == 3)

    def is_mounted(self, volume: Uid) -> bool:
        """Tell whether there is a mount at a volume's data directory.

        The directory itself is not looked at: that may take for ever where a server has gone.
        """
        real_path = os.path.realpath(self._layout.volumes_path)
        target = self._layout.volume_path(volume).replace(self._layout.volumes_path, real_path, 1)
        return any(entry.target == target for entry in read_mounts(target))

    def count_parts(self) -> Counter[Uid]:
        """Return in how many places volumes are mounted for containers."""
        staged = os.path.realpath(self._layout.staging_path(Uid("")))
        found: Counter[Uid] = Counter()
        for entry in read_mounts(staged):
            volume = find_volume_of_part(entry.target)
            if volume is not None:
                found[volume] += 1
        return found

    async def ensure(self, want: VolumeWant) -> None:
        """Mount what belongs there, if nothing is mounted."""
        async with self._alone(want.uid):
            await self._ensure(want)

    @contextlib.asynccontextmanager
    async def kept(self, want: VolumeWant, *, lasting: bool = False) -> AsyncGenerator[None]:
        """Keep it mounted for the length of the block; a `lasting` one stays so until somebody asks for the end."""
        if not want.is_mounted:
            yield
            return
        async with self._alone(want.uid):
            made = await self._ensure(want)
            self._keepers[want.uid] += 1
        try:
            yield
        finally:
            self._keepers[want.uid] -= 1
            if made and not lasting:
                await self.release(want.uid)

    @contextlib.asynccontextmanager
    async def undisturbed(self, volume: Uid) -> AsyncGenerator[None]:
        """Keep containers from beginning to use what is mounted, where files of the host's own making come and go.

        Whoever can put a link in the place of a directory there could lead the work astray. InUse while a container
        uses it. A container that begins at the same moment sees the mark, or is seen.
        """
        mark_path = Path(derive_mark_path(self._layout.volume_path(volume)))
        self._closed[volume] += 1
        try:
            await asyncio.to_thread(mark_path.touch)
            if (await asyncio.to_thread(self.count_parts))[volume]:
                raise InUse("containers use the volume: stop them first")
            yield
        finally:
            self._closed[volume] -= 1
            if not self._closed[volume]:
                del self._closed[volume]
                await asyncio.to_thread(mark_path.unlink, missing_ok=True)

    async def release(self, volume: Uid) -> None:
        """Unmount it, unless somebody uses it."""
        async with self._alone(volume):
            if not self._keepers[volume]:
                del self._keepers[volume]
                await asyncio.to_thread(self._release, volume)

    def forget(self, volume: Uid) -> None:
        """Forget a volume that is gone."""
        self._locks.pop(volume, None)
        self._settled.discard(volume)

    @contextlib.asynccontextmanager
    async def _alone(self, volume: Uid) -> AsyncGenerator[None]:
        async with self._locks.setdefault(volume, asyncio.Lock()):
            yield

    async def _ensure(self, want: VolumeWant) -> bool:
        """Tell whether it had to be mounted."""
        if not want.is_mounted:
            return False
        target = self._layout.volume_path(want.uid)
        made = not await asyncio.to_thread(self.is_mounted, want.uid)
        if made:
            mount = await asyncio.to_thread(self._find_part, want) or await self._choose_mount(want)
            await self._mount(mount, target)
            self._settled.discard(want.uid)
        if want.uid not in self._settled:
            with contextlib.suppress(InUse):
                async with self.undisturbed(want.uid):
                    await asyncio.to_thread(Workplace.inside(Path(target)).settle)
                    self._settled.add(want.uid)
        return made

    def _find_part(self, want: VolumeWant) -> VolumeMount | None:
        """Return a mount of what containers go on using, when somebody has unmounted it under their feet.

        Memory mounted a second time would be another one.
        """
        for entry in read_mounts(os.path.realpath(self._layout.staging_path(Uid("")))):
            if find_volume_of_part(entry.target) == want.uid and entry.source_root == "/":
                return VolumeMount(kind="none", device=entry.target, options=("bind",))
        return None

    async def _choose_mount(self, want: VolumeWant) -> VolumeMount:
        """Return what to mount: what a plugin shows is mounted a second time."""
        if want.driven is not None:
            path = await self._drivers.mount(want.driven)
            return VolumeMount(kind="none", device=path, options=("rbind",))
        if want.mount is None:
            raise Refused(f"volume {want.uid} has nothing to mount")
        return want.mount

    async def _mount(self, mount: VolumeMount, target: str) -> None:
        command = render_mount_command(await _resolve(mount), target)
        completed = await self._runner.capture(*command, timeout_s=_TIMEOUT_S)
        if completed.code != 0:
            first = (completed.stderr.strip().splitlines() or [f"exit code {completed.code}"])[0]
            cause = first.removeprefix("mount: ").removeprefix(f"{target}: ").rstrip(".")
            raise Refused(f"{mount.device} can't be mounted as {mount.kind}: {cause}")

    def _release(self, volume: Uid) -> None:
        if self.count_parts()[volume]:
            return
        unmount_all(self._layout.volume_path(volume))


async def _resolve(mount: VolumeMount) -> VolumeMount:
    """Return an nfs mount with its server's address: the kernel asks no name server."""
    if mount.kind not in NFS_TYPES:
        return mount
    server = find_nfs_server(mount.device, mount.options)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(server, None, type=socket.SOCK_STREAM)
    except socket.gaierror as exc:
        raise Unavailable(f"nfs server {server} is not known: {exc.strerror}", retry_after_s=5.0) from exc
    return set_nfs_address(mount, str(found[0][4][0]))
