"""Images as lists and inspections see them."""

from collections.abc import Collection
from typing import Protocol

from controller.model.facts import ImageFacts


class ImageContents(Protocol):
    """Reads the content store; nothing of it is changed."""

    async def list(self) -> tuple[ImageFacts, ...]:
        """Return every whole image."""
        ...

    async def read_document(self, digest: str) -> bytes:
        """Return a configuration or manifest byte for byte. NotFound."""
        ...


class DanglingContent(Protocol):
    """Removes content that no Image stands for any more."""

    async def remove(self, image_ids: Collection[str]) -> tuple[str, ...]:
        """Remove the content of these images and return those that were removed.

        What an Image stands for by now is left alone, and so is what somebody is about to give a name; layers that
        containers stand on stay as well.
        """
        ...
