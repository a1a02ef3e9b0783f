"""Overlay mounts (overlayfs.rst of the kernel), with as many layers as wanted."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from controller.errors import NotFound
from controller.kernel import syscalls

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
    for name in os.listdir(links_path):  # noqa: PTH208 - names, not paths
        Path(links_path, name).unlink()
    names = []
    for number, path in enumerate(lower_paths):
        Path(links_path, str(number)).symlink_to(path)
        names.append(str(number))
    if writable_paths is not None:
        for name, path in zip(("u", "w"), writable_paths, strict=True):
            Path(links_path, name).symlink_to(path)
    _mount(target, names, ("u", "w") if writable_paths is not None else None)


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
