"""Sizes of what lies below the data directory: `LocalDiskUsage(layout=...)`."""

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.kernel.descents import Descent
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.usage import ContainerSize, DiskFacts, TreeSize

_BLOCK_BYTES = 512
"""Unit of st_blocks, whatever the file system's own blocks are (stat(2))."""


class LocalDiskUsage:
    """Implements `controller.ports.DiskUsage`. Layers never change, so each directory is measured once."""

    def __init__(self, *, layout: Layout) -> None:
        self._layout = layout
        self._layers: dict[str, tuple[int, TreeSize]] = {}

    async def measure(self) -> DiskFacts:
        """See DiskUsage."""
        with translated("disk usage"):
            return await asyncio.to_thread(self._measure)

    def _measure(self) -> DiskFacts:
        layers = self._measure_layers(map(_restore_digest, _list_names(self._layout.layers_path)))
        return DiskFacts(
            images=_add(self._measure_other_images(), *layers.values()),
            layers=layers,
            documents={
                _restore_digest(name): measure_tree(f"{self._layout.blobs_path}/{name}")
                for name in _list_names(self._layout.blobs_path)
            },
            containers={Uid(name): self._measure_container(Uid(name)) for name in self._list_containers()},
            volumes={
                Uid(name): measure_tree(f"{self._layout.volumes_path}/{name}")
                for name in _list_names(self._layout.volumes_path)
            },
        )

    def _list_containers(self) -> Iterator[str]:
        return _list_names(self._layout.containers_path)

    def _measure_container(self, uid: Uid) -> ContainerSize:
        return ContainerSize(
            writable=measure_tree(self._layout.upper_path(uid)),
            whole=measure_tree(self._layout.container_path(uid)),
        )

    def _measure_layers(self, layers: Iterable[str]) -> dict[str, TreeSize]:
        sizes: dict[str, TreeSize] = {}
        for layer in layers:
            path = self._layout.layer_path(layer)
            try:
                inode = Path(path).stat().st_ino
            except FileNotFoundError:
                self._layers.pop(layer, None)
                continue
            known = self._layers.get(layer)
            if known is None or known[0] != inode:
                self._layers[layer] = known = (inode, measure_tree(path))
            sizes[layer] = known[1]
        return sizes

    def _measure_other_images(self) -> TreeSize:
        """Return the size of the image store without its finished layers."""
        return measure_tree(
            str(Path(self._layout.layers_path).parent),
            without=frozenset(
                f"{self._layout.layers_path}/{name}" for name in _list_names(self._layout.layers_path)
            ),
        )


def measure_tree(path: str, *, without: frozenset[str] = frozenset()) -> TreeSize:
    """Return the size of a tree, each inode once; 0 when it is missing. Other file systems are not entered."""
    try:
        top = os.lstat(path)
    except FileNotFoundError:
        return TreeSize()
    content_bytes = 0 if stat.S_ISDIR(top.st_mode) else top.st_size
    allocated_bytes = top.st_blocks * _BLOCK_BYTES
    linked: set[int] = set()
    for status in _walk(path, top.st_dev, without) if stat.S_ISDIR(top.st_mode) else ():
        is_directory = stat.S_ISDIR(status.st_mode)
        if status.st_nlink > 1 and not is_directory:
            if status.st_ino in linked:
                continue
            linked.add(status.st_ino)
        allocated_bytes += status.st_blocks * _BLOCK_BYTES
        content_bytes += 0 if is_directory else status.st_size
    return TreeSize(content_bytes=content_bytes, allocated_bytes=allocated_bytes)


def _walk(path: str, device: int, without: frozenset[str]) -> Iterator[os.stat_result]:
    """Yield the status of all below a directory that lies on the device.

    The processes of a container may move its directories meanwhile; what can't be found any more then is left out.
    """
    with Descent(path) as place:
        waiting: list[list[str]] = []
        while True:
            if len(waiting) == len(place.names):
                waiting.append([])
                here = "/".join((path, *place.names)) if without else ""
                for name, status in _list_statuses(place.fd):
                    if status.st_dev != device or f"{here}/{name}" in without:
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        waiting[-1].append(name)
                    yield status
            if waiting[-1]:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    place.enter(waiting[-1].pop())
                continue
            waiting.pop()
            if not waiting:
                return
            try:
                place.leave()
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
                return


def _list_statuses(fd: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(fd) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False)


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _list_names(path: str) -> Iterator[str]:
    """Yield the names in a directory that are whole; what is on its way begins with a dot."""
    return (entry.name for entry in _scan(path) if not entry.name.startswith("."))


def _restore_digest(name: str) -> str:
    return name.replace("-", ":", 1)


def _add(*sizes: TreeSize) -> TreeSize:
    return TreeSize(
        content_bytes=sum(size.content_bytes for size in sizes),
        allocated_bytes=sum(size.allocated_bytes for size in sizes),
    )
