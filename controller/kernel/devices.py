"""Devices of the host, for containers that get some: `read_devices(path)`."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from controller.errors import Refused
from controller.model.facts import DeviceNode

_NOT_DEVICES = frozenset({"pts", "shm", "fd", "mqueue", "console", ".udev"})
"""What /dev has besides devices that are the host's own."""


def read_devices(path: str) -> tuple[DeviceNode, ...]:
    """Return the device at `path`, links followed, or all devices below a directory, sorted by path.

    Refused when there is nothing, or something else.
    """
    try:
        status = Path(path).stat()
    except OSError as exc:
        raise Refused(f"the host has no device {path}: name one that is there") from exc
    if stat.S_ISDIR(status.st_mode):
        return tuple(sorted(_walk(path.rstrip("/")), key=lambda node: node.path))
    node = _describe(path, status)
    if node is None:
        raise Refused(f"{path} of the host is not a device: name one, or a directory of devices")
    return (node,)


def _walk(path: str) -> Iterator[DeviceNode]:
    """Yield the devices below a directory; links and what vanishes meanwhile are left out."""
    try:
        entries = list(os.scandir(path))
    except OSError:
        return
    for entry in entries:
        if entry.name in _NOT_DEVICES:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
            continue
        try:
            node = _describe(entry.path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
        if node is not None:
            yield node


def _describe(path: str, status: os.stat_result) -> DeviceNode | None:
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    return DeviceNode(
        path=path,
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )
