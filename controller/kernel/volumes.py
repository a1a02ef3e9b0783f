"""Data directories of volumes: `LocalVolumes(layout=..., runner=Runner())`."""

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.confined import open_in_root, open_root
from controller.kernel.overlay import mount_overlay
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant


class LocalVolumes:
    """Implements `controller.ports.VolumeDirectories`."""

    def __init__(self, *, layout: Layout, runner: Runner) -> None:
        self._layout = layout
        self._runner = runner

    async def list(self) -> tuple[Uid, ...]:
        """Return the volumes that have a directory."""
        try:
            return tuple(Uid(name) for name in await asyncio.to_thread(os.listdir, self._layout.volumes_path))
        except FileNotFoundError:
            return ()

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        path = Path(self._layout.volume_path(volume))
        with translated(f"volume {volume}"):
            await asyncio.to_thread(_make_data_directory, path)

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        """Copy what lies at `path` of a container's layers into the volume if it is empty; keeps owners and modes."""
        target = self._layout.volume_path(volume)
        with translated(f"volume {volume}"):
            if await asyncio.to_thread(os.listdir, target):
                return
            await self._copy(source, path, target)

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it."""
        with translated(f"volume {volume}"), contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(shutil.rmtree, Path(self._layout.volume_path(volume)).parent)

    async def _copy(self, source: RootWant, path: str, target: str) -> None:
        view = Path(f"{self._layout.run_path}/prefill/{source.uid}")
        await asyncio.to_thread(self._mount_view, source, view)
        try:
            with open_root(str(view)) as root_fd, _open_directory(root_fd, path) as directory_fd:
                if directory_fd is not None:
                    shown = f"/proc/{os.getpid()}/fd/{directory_fd}/."
                    await self._runner.run("cp", "-a", "--reflink=auto", shown, target, timeout_s=600)
        finally:
            await asyncio.to_thread(_unmount_view, view)

    def _mount_view(self, source: RootWant, view: Path) -> None:
        view.mkdir(parents=True, exist_ok=True)
        mount_overlay(str(view), source.lower_paths, None, f"{view}.links")


def _make_data_directory(path: Path) -> None:
    """Make the directory with its mode, whatever the umask is; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)


def _unmount_view(view: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        syscalls.umount2(str(view), syscalls.MNT_DETACH)
    view.rmdir()
    shutil.rmtree(f"{view}.links", ignore_errors=True)


@contextlib.contextmanager
def _open_directory(root_fd: int, path: str) -> Iterator[int | None]:
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
