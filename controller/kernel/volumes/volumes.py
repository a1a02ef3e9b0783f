"""Data directories of volumes: `LocalVolumes(layout=..., mounts=VolumeMounts(...))`, then `await open()` once."""

import asyncio
import contextlib
import os
from pathlib import Path

from controller.errors import Refused
from controller.kernel.roots.staging import derive_mark_path
from controller.kernel.translation import translated
from controller.kernel.tree_removal import remove_tree
from controller.kernel.volumes.prefill import sweep_views
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.whole_copies import Workplace, check_unmounted
from controller.model.facts import VolumeFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import VolumeWant


class LocalVolumes:
    """Implements `controller.ports.VolumeDirectories`. A volume is there when its data directory is."""

    def __init__(self, *, layout: Layout, mounts: VolumeMounts) -> None:
        self._layout = layout
        self._mounts = mounts

    async def open(self) -> None:
        """Bring to an end what a daemon that was killed has left half-done; before anything else is called."""
        with translated("volumes"):
            await asyncio.to_thread(self._sweep)

    async def list(self) -> tuple[VolumeFacts, ...]:
        """Return the volumes that have a directory."""
        return await asyncio.to_thread(self._list)

    async def read(self, volume: Uid) -> VolumeFacts | None:
        """Return one of them."""
        return await asyncio.to_thread(self._read, volume)

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        path = Path(self._layout.volume_path(volume))
        with translated(f"volume {volume}"):
            await asyncio.to_thread(_make_data_directory, path)

    async def mount(self, volume: VolumeWant) -> None:
        """See VolumeDirectories."""
        with translated(f"volume {volume.uid}"):
            await self._mounts.ensure(volume)

    async def unmount(self, volume: Uid) -> None:
        """See VolumeDirectories."""
        with translated(f"volume {volume}"):
            await self._mounts.release(volume)

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it."""
        self._mounts.forget(volume)
        with translated(f"volume {volume}"), contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(self._delete, volume)

    def _list(self) -> tuple[VolumeFacts, ...]:
        mounted, parts = self._mounts.list_mounted(), self._mounts.count_parts()
        uids = (Uid(path.name) for path in Path(self._layout.volumes_path).glob("*"))
        return tuple(
            VolumeFacts(uid=uid, mounted=uid in mounted, parts=parts[uid])
            for uid in uids
            if self._is_present(uid)
        )

    def _read(self, volume: Uid) -> VolumeFacts | None:
        if not self._is_present(volume):
            return None
        mounted = self._mounts.is_mounted(volume)
        parts = self._mounts.count_parts()[volume] if mounted else 0
        return VolumeFacts(uid=volume, mounted=mounted, parts=parts)

    def _is_present(self, volume: Uid) -> bool:
        """Ask the directory above: what is mounted at the data directory may not answer."""
        path = Path(self._layout.volume_path(volume))
        try:
            with os.scandir(path.parent) as entries:
                return any(
                    entry.name == path.name and entry.is_dir(follow_symlinks=False) for entry in entries
                )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _delete(self, volume: Uid) -> None:
        if self._mounts.is_mounted(volume):
            raise Refused("something is mounted at the volume's directory, and its content is not to be lost")
        check_unmounted(Path(self._layout.volume_path(volume)))
        _delete(Path(self._layout.volume_path(volume)))

    def _sweep(self) -> None:
        sweep_views(Path(self._layout.run_path, "prefill"))
        mounted = self._mounts.list_mounted()
        for path in Path(self._layout.volumes_path).glob("*"):
            Path(derive_mark_path(self._layout.volume_path(Uid(path.name)))).unlink(missing_ok=True)
            if path.name not in mounted:
                # Where somebody has mounted something inside, whoever works on it is told.
                with contextlib.suppress(Refused):
                    Workplace.beside(Path(self._layout.volume_path(Uid(path.name)))).settle()
            with contextlib.suppress(OSError):
                path.rmdir()  # only what has nothing in it: its volume was about to be made, or almost deleted


def _make_data_directory(path: Path) -> None:
    """Make the directory with its mode, whatever the umask is; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)


def _delete(path: Path) -> None:
    """Remove what lies beside the data first, the data last: as long as it is there, the volume is."""
    for beside in path.parent.iterdir():
        if beside != path:
            remove_tree(beside)
    with contextlib.suppress(FileNotFoundError):
        remove_tree(path)
    path.parent.rmdir()
