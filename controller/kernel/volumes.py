"""Data directories of volumes: `LocalVolumes(layout=..., runner=Runner())`, then `await open()` once."""

import asyncio
import contextlib
import shutil
from pathlib import Path

from controller.kernel.prefill import prefill, settle_copies, sweep_views
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant


class LocalVolumes:
    """Implements `controller.ports.VolumeDirectories`. A volume is there when its data directory is."""

    def __init__(self, *, layout: Layout, runner: Runner) -> None:
        self._layout = layout
        self._runner = runner
        self._locks: dict[Uid, asyncio.Lock] = {}

    async def open(self) -> None:
        """Bring to an end what a daemon that was killed has left half-done; before anything else is called."""
        with translated("volumes"):
            await asyncio.to_thread(self._sweep)

    async def list(self) -> tuple[Uid, ...]:
        """Return the volumes that have a directory."""
        return await asyncio.to_thread(self._list)

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        path = Path(self._layout.volume_path(volume))
        with translated(f"volume {volume}"):
            await asyncio.to_thread(_make_data_directory, path)

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        """Copy what lies at `path` of a container's layers into the volume if it is empty; keeps owners and modes."""
        data_path = Path(self._layout.volume_path(volume))
        view_path = self._views_path / source.uid
        async with self._locks.setdefault(volume, asyncio.Lock()):
            with translated(f"volume {volume}"):
                await prefill(self._runner, data_path, source, path, view_path)

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it."""
        self._locks.pop(volume, None)
        with translated(f"volume {volume}"), contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(_delete, Path(self._layout.volume_path(volume)))

    @property
    def _views_path(self) -> Path:
        return Path(self._layout.run_path, "prefill")

    def _list(self) -> tuple[Uid, ...]:
        paths = Path(self._layout.volumes_path).glob("*")
        return tuple(
            uid for uid in (Uid(path.name) for path in paths) if Path(self._layout.volume_path(uid)).is_dir()
        )

    def _sweep(self) -> None:
        sweep_views(self._views_path)
        for path in Path(self._layout.volumes_path).glob("*"):
            settle_copies(Path(self._layout.volume_path(Uid(path.name))))
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
            shutil.rmtree(beside)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
    path.parent.rmdir()
