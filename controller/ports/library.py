"""Images as lists and inspections see them."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.model.usage import Removed


class ImageContents(Protocol):
    """Reads the content store; nothing of it is changed."""

    async def list(self) -> tuple[ImageFacts, ...]:
        """Return every whole image."""
        ...

    async def find(self, digest: str) -> ImageFacts | None:
        """Return the image with this configuration or manifest digest, None when it is not whole."""
        ...

    def lease(self) -> AbstractContextManager[None]:
        """Return a context in which what is put in or found is kept, though no Image stands for it yet."""
        ...

    async def read_document(self, digest: str) -> bytes:
        """Return a configuration or manifest byte for byte. NotFound."""
        ...

    async def list_parts(self, image_id: str) -> frozenset[str]:
        """Return the digests of an image's documents and packed layers and the chain ids of its layers; none if unknown."""
        ...

    async def find_layer_sizes(self, layers: Iterable[str]) -> Mapping[str, int]:
        """Return the bytes of all files of layers by chain id; those that are missing are left out."""
        ...


class DanglingContent(Protocol):
    """Removes content that no Image stands for any more, but for what containers stand on."""

    async def find_roots(self) -> Mapping[str, tuple[Uid, ...]]:
        """Return the containers whose mounted roots stand on a layer, by its chain id."""
        ...

    async def remove(self, image_ids: Collection[str]) -> Removed:
        """Remove the content of these images, and what no image at all needs any more.

        What an Image stands for by now is left alone, and so is what somebody is about to give a name, or a container
        stands on.
        """
        ...
