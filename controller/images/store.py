"""The store of images: the port `Images`, what pulls and archives put in, and garbage collection.

On disk, below images/: `blobs` has packed layers and documents by digest, `layers` unpacked layers by chain id with
their `facts`, `catalog` a record for each image that is whole, `uploads` what is on its way.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from controller.errors import Conflict, NotFound
from controller.images.archive_writer import write_archive
from controller.images.archives import Archives
from controller.images.blobs import BlobStore
from controller.images.catalog import Catalog, CatalogEntry, make_entry
from controller.images.documents import derive_digest
from controller.images.files import PARTIAL_PREFIX, in_thread
from controller.images.imports import Imports
from controller.images.layers import LayerStore
from controller.images.leases import Leases
from controller.images.parts import StoreParts
from controller.images.settling import Settling
from controller.images.trash import Trash
from controller.images.turns import Turns
from controller.model.archives import LoadedImage, SavedImage
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig
from controller.model.layout import Layout
from controller.model.provenance import Provenance
from controller.model.usage import Reclaimed
from controller.ports import Unpacker

LOG = logging.getLogger(__name__)


class ImageStore:
    """Implements `controller.ports.Images`; `open` comes first, once."""

    def __init__(self, *, layout: Layout, unpacker: Unpacker, boot_id: str) -> None:
        images_path = Path(layout.blobs_path).parent
        self._leases = Leases()
        self._settling = Settling(images_path / "unsettled", boot_id=boot_id, unpacker=unpacker)
        self._parts = parts = StoreParts(
            layout=layout,
            uploads_path=images_path / "uploads",
            leases=self._leases,
            settling=self._settling,
            trash=Trash(images_path / "trash", unpacker),
            unpacker=unpacker,
        )
        self.blobs = BlobStore(Path(layout.blobs_path), self._leases, self._settling)
        self.layers = LayerStore(parts, self.blobs)
        self._catalog = Catalog(images_path / "catalog", Path(layout.blobs_path))
        self._entries: dict[str, CatalogEntry] = {}
        self._image_turns = Turns()
        self._archives = Archives(self, parts)
        self._imports = Imports(self, parts, self._archives)

    async def open(self) -> None:
        """Make the directories, remove what was interrupted, and read what is there."""
        entries = await in_thread("the image store can't be read", self._load)
        self._entries = {entry.facts.id: entry for entry in entries}

    def _load(self) -> list[CatalogEntry]:
        self._parts.uploads_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._parts.trash.load()
        for path in self._parts.uploads_path.glob(f"{PARTIAL_PREFIX}*"):
            self._parts.trash.throw(path)
        doubtful = self._settling.load()
        self.blobs.load(doubtful)
        self.layers.load(doubtful)
        return [entry for entry in self._catalog.load() if self._is_whole(entry)]

    def _is_whole(self, entry: CatalogEntry) -> bool:
        """Tell whether all layers are there, so that containers can run; forget the image if not."""
        facts = entry.facts
        if all(map(self.layers.has, facts.layers)):
            return True
        LOG.warning("image is not whole", extra={"image": facts.id})
        self._catalog.remove(facts.id)
        return False

    async def run(self) -> None:
        """Make durable what was put in, remove what was thrown away, a while later, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settling.run())
            tasks.create_task(self._parts.trash.run())

    async def settle(self) -> None:
        """Make durable what was put in and wait for it: for content that nobody could get again."""
        await self._settling.settle()

    def lease(self) -> AbstractContextManager[None]:
        """Return a context in which garbage collection takes nothing that is put in, asked for or found."""
        return self._leases.lease()

    async def list(self) -> tuple[ImageFacts, ...]:
        """See Images."""
        return tuple(entry.facts for entry in self._entries.values())

    async def find(self, digest: str) -> ImageFacts | None:
        """See Images."""
        entry = self.find_entry(digest)
        return entry.find(digest) if entry is not None else None

    def find_entry(self, digest: str) -> CatalogEntry | None:
        """Return an image with its documents, by the digest of its configuration or of a manifest."""
        found = self._entries.get(digest) or next(
            (entry for entry in self._entries.values() if digest in entry.manifests), None
        )
        if found is not None:
            self._leases.touch(found.facts.id)
        return found

    def get_entry(self, digest: str) -> CatalogEntry:
        """Return an image as `find_entry` does. NotFound."""
        found = self.find_entry(digest)
        if found is None:
            raise NotFound(f"image {digest} is not in the store")
        return found

    def read_blob(self, digest: str) -> AsyncIterator[bytes]:
        """Yield a blob (packed layer, configuration, manifest) exactly as it came. NotFound."""
        return self.blobs.read(digest)

    async def read_document(self, digest: str) -> bytes:
        """Return a configuration or manifest exactly as it came. NotFound."""
        return await self.blobs.read_whole(digest)

    async def list_parts(self, image_id: str) -> frozenset[str]:
        """See ImageContents."""
        entry = self._entries.get(image_id)
        return frozenset() if entry is None else entry.contents

    async def find_layer_sizes(self, layers: Iterable[str]) -> dict[str, int]:
        """See ImageContents."""
        found = {layer: self.layers.find(layer) for layer in layers}
        return {layer: facts.size_bytes for layer, facts in found.items() if facts is not None}

    async def put_image(self, manifest: bytes, config: bytes) -> ImageFacts:
        """Record an image whose layers are all there (`layers.put`), in a lease that was open since the first of them.

        Invalid when the documents don't fit one another, Conflict when a layer is missing. The documents are kept byte
        for byte. A crash of the daemon loses nothing from then on, one of the machine nothing that is settled.
        """
        manifest_digest, image_id = derive_digest(manifest), derive_digest(config)
        draft = make_entry({manifest_digest: manifest}, config, 0)
        with self._leases.lease():
            self._leases.touch(image_id)
            layers = [self.layers.find(chain_id) for chain_id in draft.facts.layers]
            for layer, descriptor in zip(layers, draft.manifests[manifest_digest].layers, strict=True):
                if layer is None or not self.blobs.has(descriptor.digest):
                    raise Conflict(
                        f"layer {descriptor.digest} of the image is not there yet: get the image again"
                    )
            size_bytes = sum(layer.size_bytes for layer in layers if layer is not None)
            async with self._image_turns.taking(image_id):
                entry = await self._merge(image_id, {manifest_digest: manifest}, config, size_bytes)
                await self.blobs.write(config)
                await self.blobs.write(manifest)
                await in_thread("an image can't be recorded", lambda: self._catalog.write(entry))
                self._entries[image_id] = entry
        return entry.facts

    async def _merge(
        self, image_id: str, manifests: dict[str, bytes], config: bytes, size_bytes: int
    ) -> CatalogEntry:
        """Return the entry with the manifests that are known of the image, the new one last."""
        known = self._entries.get(image_id)
        earlier = [] if known is None else [digest for digest in known.manifests if digest not in manifests]
        documents = {digest: await self.blobs.read_whole(digest) for digest in earlier}
        return make_entry({**documents, **manifests}, config, size_bytes)

    async def import_archive(self, path: str, config: ImageConfig, *, name: str) -> ImageFacts:
        """See Images."""
        return await self._imports.import_file(path, config, name=name)

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """See Images."""
        return await self._imports.import_directory(path, config)

    async def receive(
        self, chunks: AsyncIterator[bytes], config: ImageConfig, provenance: Provenance
    ) -> ImageFacts:
        """Store an archive that comes in pieces; an error that `chunks` raises passes through, nothing is kept."""
        return await self._imports.receive(chunks, config, about="the upload", provenance=provenance)

    async def load(self, chunks: AsyncIterator[bytes]) -> tuple[LoadedImage, ...]:
        """Take in the images of an archive; an error that `chunks` raises passes through, nothing is kept."""
        return await self._archives.load(chunks, about="the archive")

    def save(self, images: Sequence[SavedImage]) -> AsyncGenerator[bytes]:
        """Yield an archive of images that `load`, Docker, Podman and skopeo take. NotFound."""
        return write_archive(self, images)

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        """See Images."""
        async with self._image_turns.taking(image_id):
            await self._remove(image_id)
        await self.collect(keep=keep)

    async def discard(self, image_id: str, *, keep: frozenset[str]) -> bool:
        """See Images."""
        async with self._image_turns.taking(image_id):
            if self._leases.protects(image_id):
                return False
            await self._remove(image_id)
        await self.collect(keep=keep)
        return True

    async def _remove(self, image_id: str) -> None:
        self._entries.pop(image_id, None)
        await in_thread("an image can't be removed", lambda: self._catalog.remove(image_id))

    async def collect(self, *, keep: frozenset[str]) -> Reclaimed:
        """Remove layers and blobs that no image has, no lease counts on and `keep` does not name.

        Each is looked at and struck off without a pause in between: whoever asks later finds it missing and brings it.
        """
        layers: list[str] = []
        blobs: list[str] = []
        size_bytes = 0
        for facts in self.layers.list():
            if not self._is_needed(facts.chain_id, keep):
                layers.append(facts.chain_id)
                size_bytes += await self.layers.remove(facts.chain_id)
        for digest in self.blobs.list():
            if not self._is_needed(digest, keep):
                blobs.append(digest)
                size_bytes += await self.blobs.remove(digest)
        return Reclaimed(layers=tuple(layers), blobs=tuple(blobs), size_bytes=size_bytes)

    def _is_needed(self, digest: str, keep: frozenset[str]) -> bool:
        return (
            digest in keep
            or self._leases.protects(digest)
            or any(digest in entry.contents for entry in self._entries.values())
        )
