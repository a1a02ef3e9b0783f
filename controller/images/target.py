"""What imports and archives need of the image store."""

from contextlib import AbstractContextManager
from typing import Protocol

from controller.images.blobs import BlobStore
from controller.images.catalog import CatalogEntry
from controller.images.layers import LayerStore
from controller.model.facts import ImageFacts


class ImageTarget(Protocol):
    """See `controller.images.store.ImageStore`."""

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def layers(self) -> LayerStore: ...

    def lease(self) -> AbstractContextManager[None]: ...

    def get_entry(self, digest: str) -> CatalogEntry: ...

    async def put_image(self, manifest: bytes, config: bytes) -> ImageFacts: ...
