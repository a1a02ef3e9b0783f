"""What hold takes up on disk, as observed."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.model.ids import Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSize:
    """Bytes of a directory tree, each inode once.

    `content_bytes` is the sum of the lengths of what is not a directory. `allocated_bytes` is what the file system has
    set aside for all of it, the directories included: what `du` counts. Sparse files have less of it than of content.
    """

    content_bytes: int = 0
    allocated_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSize:
    """Bytes that a container takes: its writable layer, and everything that goes with it (that layer, its logs)."""

    writable: TreeSize
    whole: TreeSize


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """Everything below the data directory. `images` is all of the image store: layers, documents, what is on its way.

    `layers` are by chain id, `documents` (what is stored by digest) by digest.
    """

    images: TreeSize
    layers: Mapping[str, TreeSize]
    documents: Mapping[str, TreeSize]
    containers: Mapping[Uid, ContainerSize]
    volumes: Mapping[Uid, TreeSize]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaimed:
    """What a clearing up of the image store took: layers by chain id, blobs by digest, and the bytes of both."""

    layers: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Images whose content was removed, and what no image at all needed any more."""

    images: tuple[str, ...] = ()
    leftovers: Reclaimed = Reclaimed()

    @property
    def leftover_digests(self) -> frozenset[str]:
        """Layers by chain id and blobs by digest."""
        return frozenset((*self.leftovers.layers, *self.leftovers.blobs))


NOTHING = DiskFacts(images=TreeSize(), layers={}, documents={}, containers={}, volumes={})
"""An empty disk."""
