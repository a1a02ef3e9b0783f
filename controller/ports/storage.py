"""Volumes and images."""

from typing import Protocol

from controller.model.facts import (
    ImageFacts,
)
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.wants import (
    RootWant,
)


class VolumeDirectories(Protocol):
    """Data directories of local volumes."""

    async def list(self) -> tuple[Uid, ...]:
        """Return the volumes that have a directory."""
        ...

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        ...

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        """Copy what lies at `path` of a container's layers into the volume if it is empty; keeps owners and modes."""
        ...

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it."""
        ...


class Images(Protocol):
    """The content store of images."""

    async def list(self) -> tuple[ImageFacts, ...]:
        """Return every whole image."""
        ...

    async def find(self, digest: str) -> ImageFacts | None:
        """Return the image with this configuration or manifest digest, None when it is not whole."""
        ...

    async def import_archive(self, path: str, config: ImageConfig) -> ImageFacts:
        """Store a tar archive as an image of one layer. NotFound, Invalid (not an archive), Exhausted."""
        ...

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """Store a copy of a directory as an image of one layer."""
        ...

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        """Remove the image with this configuration digest and those of its layers that no image needs nor `keep` names."""
        ...
