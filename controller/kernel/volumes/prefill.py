"""First contents of volumes, copied from images, of which the layers are mounted for a moment."""

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from controller.errors import Exhausted, Refused
from controller.kernel.files.confined import open_in_root, open_root
from controller.kernel.roots.overlay import mount_overlay
from controller.kernel.subprocesses import Runner
from controller.kernel.unmounting import unmount_all
from controller.model.wants import RootWant

_COPY_TIMEOUT_S = 3600.0
_COPY = ("cp", "-a", "--reflink=auto", "--sparse=auto")
"""Keeps everything, and shares blocks where the file system can."""
_NO_SPACE = "no space left for the copy: free some on the volume's file system, or let it have more"
_JAIL = """
mount --no-mtab -t tmpfs -o mode=700 jail "$1"
mkdir "$1/from" "$1/to"
mount --no-mtab --bind "$2" "$1/from"
mount --no-mtab --bind "$3" "$1/to"
for name in usr bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
        ln -s "usr/$name" "$1/$name"
    elif [ -d "/$name" ]; then
        mkdir "$1/$name"
        mount --no-mtab --bind "/$name" "$1/$name"
        mount --no-mtab -o remount,bind,ro "$1/$name"
    fi
done
root=$1
shift 3
exec chroot "$root" "$@"
"""


async def copy_from_layers(
    runner: Runner, source: RootWant, path: str, view_path: Path, target_path: Path
) -> bool:
    """Copy what lies at `path` of the layers into a directory; False when there is nothing to copy.

    `view_path` is where the layers are mounted meanwhile. Exhausted when the disk is full.
    """
    async with _mounted(source, view_path):
        with open_root(str(view_path)) as root_fd, _open_directory(root_fd, path) as directory_fd:
            if directory_fd is None:
                return False
            await copy_tree(runner, f"/proc/{os.getpid()}/fd/{directory_fd}", target_path)
    return True


async def copy_tree(runner: Runner, source_path: str, target_path: Path) -> None:
    """Copy all in a directory that nobody changes, and what the directory itself looks like. Exhausted when the disk is full."""
    await _run_copy(runner, *_COPY, f"{source_path}/.", str(target_path))


async def copy_jailed(runner: Runner, source_path: str, target_path: Path, jail_path: Path) -> None:
    """Copy all in a directory as `copy_tree` does, whoever changes it meanwhile: a link in it leads out to nothing.

    cp(1) looks names up again and again, so it sees no more than the two directories and the programs of the host, on a
    file system of its own at `jail_path`. Exhausted when the disk is full.
    """
    await asyncio.to_thread(jail_path.mkdir, mode=0o700, parents=True, exist_ok=True)
    arguments = (str(jail_path), source_path, str(target_path), *_COPY, "/from/.", "/to")
    await _run_copy(
        runner, "unshare", "--mount", "--propagation", "private", "sh", "-ec", _JAIL, "jail", *arguments
    )


async def _run_copy(runner: Runner, *command: str) -> None:
    try:
        await runner.run(*command, timeout_s=_COPY_TIMEOUT_S)
    except Refused as error:
        words = error.message.lower()
        if any(os.strerror(number).lower() in words for number in (errno.ENOSPC, errno.EDQUOT)):
            raise Exhausted(_NO_SPACE) from error
        raise


def sweep_views(views_path: Path) -> None:
    """Remove the mounts, and what belongs to them, that a crash left in the directory of views."""
    for path in views_path.glob("*"):
        with contextlib.suppress(OSError):
            unmount_all(path)
        with contextlib.suppress(OSError):
            path.rmdir()
        if path.suffix == ".links":
            shutil.rmtree(path, ignore_errors=True)


@contextlib.asynccontextmanager
async def _mounted(source: RootWant, view_path: Path) -> AsyncIterator[None]:
    """Show the layers of a root, whether or not it is mounted itself."""
    await asyncio.to_thread(_mount, source, view_path)
    try:
        yield
    finally:
        await asyncio.to_thread(_unmount, view_path)


def _mount(source: RootWant, view_path: Path) -> None:
    view_path.mkdir(parents=True, exist_ok=True)
    mount_overlay(str(view_path), source.lower_paths, None, f"{view_path}.links")


def _unmount(view_path: Path) -> None:
    unmount_all(view_path)
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
