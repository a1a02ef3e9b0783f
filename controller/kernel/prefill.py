"""First contents of volumes, copied from images: a copy that was broken off anywhere is never taken for a whole one.

A copy grows in a directory beside the data (`_copy-...`), gets its other name (`_filled`) once it is whole and on disk, and
moves over from there entry by entry. So the data directory stays the very one that running containers have mounted.
"""

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from controller.blocking import opened
from controller.errors import Exhausted, Refused
from controller.kernel import syscalls
from controller.kernel.confined import open_in_root, open_root
from controller.kernel.overlay import mount_overlay
from controller.kernel.subprocesses import Runner
from controller.model.wants import RootWant

_COPY_TIMEOUT_S = 600.0
_GROWING = "_copy-"
_WHOLE = "_filled"


async def prefill(runner: Runner, data_path: Path, source: RootWant, path: str, view_path: Path) -> None:
    """Copy what lies at `path` of the layers into an empty data directory, or go on with a copy that is whole.

    `view_path` is where the layers are mounted meanwhile. Exhausted when the disk is full; then nothing was copied.
    """
    whole_path = data_path.with_name(_WHOLE)
    if not await asyncio.to_thread(whole_path.is_dir):
        if await asyncio.to_thread(os.listdir, data_path):
            return
        if not await _copy_aside(runner, data_path, source, path, view_path):
            return
    await asyncio.to_thread(_move_over, whole_path, data_path)


def settle_copies(data_path: Path) -> None:
    """Remove copies beside a volume's data that a crash broke off, bring one that is whole to its end."""
    for path in data_path.parent.glob(f"{_GROWING}*"):
        shutil.rmtree(path, ignore_errors=True)
    whole_path = data_path.with_name(_WHOLE)
    if whole_path.is_dir() and data_path.is_dir():
        _move_over(whole_path, data_path)


def sweep_views(views_path: Path) -> None:
    """Remove the mounts, and what belongs to them, that a crash left in the directory of views."""
    for path in views_path.glob("*"):
        with contextlib.suppress(OSError):
            while True:  # one above the other, if there was more than one crash
                syscalls.umount2(str(path), syscalls.MNT_DETACH)
        with contextlib.suppress(OSError):
            path.rmdir()
        if path.suffix == ".links":
            shutil.rmtree(path, ignore_errors=True)


async def _copy_aside(runner: Runner, data_path: Path, source: RootWant, path: str, view_path: Path) -> bool:
    """Make the whole copy beside the data directory; False when there is nothing to copy."""
    async with _growing(data_path.parent) as growing_path:
        async with _mounted(source, view_path):
            with open_root(str(view_path)) as root_fd, _open_directory(root_fd, path) as directory_fd:
                if directory_fd is None:
                    return False
                shown = f"/proc/{os.getpid()}/fd/{directory_fd}/."
                await _run_copy(runner, shown, growing_path)
        await runner.run("sync", "--file-system", growing_path, timeout_s=_COPY_TIMEOUT_S)
        await asyncio.to_thread(os.rename, growing_path, data_path.with_name(_WHOLE))
    return True


def _growing(directory_path: Path) -> AbstractAsyncContextManager[str]:
    """Give a fresh directory, which is gone afterwards unless it was renamed."""
    return opened(
        lambda: tempfile.mkdtemp(prefix=_GROWING, dir=directory_path),
        lambda path: shutil.rmtree(path, ignore_errors=True),
    )


async def _run_copy(runner: Runner, source: str, target: str) -> None:
    try:
        await runner.run("cp", "-a", "--reflink=auto", source, target, timeout_s=_COPY_TIMEOUT_S)
    except Refused as error:
        words = error.message.lower()
        if any(os.strerror(number).lower() in words for number in (errno.ENOSPC, errno.EDQUOT)):
            raise Exhausted(error.message) from error
        raise


def _move_over(whole_path: Path, data_path: Path) -> None:
    """Move all entries that are not there yet, then what the directory itself looks like; can be begun again."""
    for entry in whole_path.iterdir():
        target_path = data_path / entry.name
        if not os.path.lexists(target_path):
            entry.rename(target_path)
    status = whole_path.stat()
    os.chown(data_path, status.st_uid, status.st_gid)
    shutil.copystat(whole_path, data_path)
    shutil.rmtree(whole_path)


def _mounted(source: RootWant, view_path: Path) -> AbstractAsyncContextManager[None]:
    """Show the layers of a root, whether or not it is mounted itself."""
    return opened(lambda: _mount(source, view_path), lambda _: _unmount(view_path))


def _mount(source: RootWant, view_path: Path) -> None:
    view_path.mkdir(parents=True, exist_ok=True)
    mount_overlay(str(view_path), source.lower_paths, None, f"{view_path}.links")


def _unmount(view_path: Path) -> None:
    syscalls.umount2(str(view_path), syscalls.MNT_DETACH)
    view_path.rmdir()
    shutil.rmtree(f"{view_path}.links", ignore_errors=True)


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
