"""Overlay mounts (overlayfs.rst of the kernel), with as many layers as wanted."""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from controller.errors import NotFound
from controller.kernel import syscalls
from controller.kernel.roots.idmaps import mount_mapped


class OwnerMapping(NamedTuple):
    """A user namespace to map owners by, and a directory of its own to mount things in meanwhile."""

    user_namespace_fd: int
    scratch_path: str


_MAX_OPTIONS_BYTES = 4000
"""mount(2) takes one page of options."""
_SPECIAL = set(":,\\\"' ")


def mount_overlay(
    target: str, lower_paths: Sequence[str], writable_paths: tuple[str, str] | None, links_path: str
) -> None:
    """Mount `lower_paths` (topmost first) at `target`, with (upper, work) or read-only.

    Paths that are too long or have special characters go through numbered links in `links_path`, from which
    `resolve_lower` finds them again. NotFound when a lower directory is missing.
    """
    for path in lower_paths:
        if not Path(path).is_dir():
            raise NotFound(f"{path} is not a directory")
    paths = [*lower_paths, *(writable_paths or ())]
    lengths = sum(len(os.fsencode(path)) + 1 for path in paths)
    plain = lengths < _MAX_OPTIONS_BYTES and not any(_SPECIAL & set(path) for path in paths)
    if plain:
        _mount(target, list(lower_paths), writable_paths)
    else:
        _run_in_directory(
            links_path, lambda: _mount_by_links(target, lower_paths, writable_paths, links_path)
        )


def mount_mapped_overlay(
    target: str,
    lower_paths: Sequence[str],
    writable_paths: tuple[str, str] | None,
    links_path: str,
    mapping: OwnerMapping,
) -> None:
    """Mount as `mount_overlay` does, the lower directories with their owners mapped; the writable ones are as stored."""
    for path in lower_paths:
        if not Path(path).is_dir():
            raise NotFound(f"{path} is not a directory")
    names = [str(number) for number in range(len(lower_paths))]
    _run_in_directory(links_path, lambda: _write_links(links_path, names, lower_paths))
    scratch_path = Path(mapping.scratch_path)
    scratch_path.mkdir(parents=True, exist_ok=True)
    try:
        for name, path in zip(names, lower_paths, strict=True):
            _mount_lower(path, scratch_path / name, mapping.user_namespace_fd)
        writable = ("u", "w") if writable_paths is not None else None
        _write_links(mapping.scratch_path, writable or (), writable_paths or ())
        _run_in_directory(mapping.scratch_path, lambda: _mount(target, names, writable))
    finally:
        _clear(scratch_path)


def _mount_lower(path: str, target: Path, user_namespace_fd: int) -> None:
    target.mkdir()
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        mount_mapped(fd, str(target), user_namespace_fd)
    finally:
        os.close(fd)


def _clear(scratch_path: Path) -> None:
    """Take away what the overlay has mounts of its own of."""
    for entry in scratch_path.iterdir():
        if entry.is_symlink():
            entry.unlink()
            continue
        with contextlib.suppress(OSError):
            syscalls.umount2(str(entry), syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
        entry.rmdir()
    scratch_path.rmdir()


def resolve_lower(options: str, links_path: str) -> tuple[str, ...]:
    """Return the lower directories in the options of a live mount, topmost first."""
    texts = [part.partition("=")[2] for part in options.split(",") if part.startswith("lowerdir")]
    names = [name for text in texts for name in text.split(":") if name]
    return tuple(name if name.startswith("/") else _read_link(links_path, name) for name in names)


def _read_link(links_path: str, name: str) -> str:
    try:
        return str(Path(links_path, name).readlink())
    except OSError:
        return name


def _mount(target: str, lower_paths: list[str], writable_paths: tuple[str, str] | None) -> None:
    if writable_paths is None and len(lower_paths) == 1:
        syscalls.mount(lower_paths[0], target, flags=syscalls.MS_BIND)
        return
    options = [f"lowerdir={':'.join(lower_paths)}"]
    if writable_paths is not None:
        options += [f"upperdir={writable_paths[0]}", f"workdir={writable_paths[1]}", "index=off"]
    syscalls.mount("overlay", target, "overlay", data=",".join(options))


def _mount_by_links(
    target: str, lower_paths: Sequence[str], writable_paths: tuple[str, str] | None, links_path: str
) -> None:
    names = [str(number) for number in range(len(lower_paths))]
    writable = ("u", "w") if writable_paths is not None else ()
    _write_links(links_path, (*names, *writable), (*lower_paths, *(writable_paths or ())))
    _mount(target, names, ("u", "w") if writable_paths is not None else None)


def _write_links(links_path: str, names: Sequence[str], paths: Sequence[str]) -> None:
    """Put these links into a directory in place of others."""
    for entry in Path(links_path).iterdir():
        if entry.is_symlink():
            entry.unlink()
    for name, path in zip(names, paths, strict=True):
        Path(links_path, name).symlink_to(path)


def _run_in_directory(path: str, function: Callable[[], None]) -> None:
    """Run a function in a thread whose working directory is its own."""
    Path(path).mkdir(parents=True, exist_ok=True)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_FS)
            os.chdir(path)
            function()
        except OSError as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
