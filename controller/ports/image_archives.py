"""Archives of images."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

from controller.model.archives import LoadedImage, SavedImage


class ImageArchives(Protocol):
    """Moves images between the content store and archives."""

    async def load(self, chunks: AsyncIterator[bytes]) -> tuple[LoadedImage, ...]:
        """Take in the images of an archive that comes in pieces: a Docker archive or an OCI layout, plain or packed.

        All of them or none, durable when it returns. What `chunks` raises passes through. Invalid when it is no image
        archive, or says anything that is not so; Exhausted.
        """
        ...

    def save(self, images: Sequence[SavedImage]) -> AsyncGenerator[bytes]:
        """Yield an archive of images, their blobs byte for byte as they came. NotFound when one is not there.

        The images stay until the generator is closed.
        """
        ...
