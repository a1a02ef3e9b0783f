"""Archives and directories of a root file system become images of one layer."""

import asyncio
import bz2
import lzma
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from controller.errors import Invalid, NotFound
from controller.images.blobs import BlobStore, BlobWriter
from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import render_config, render_manifest
from controller.images.files import derive_partial, in_thread, remove_tree
from controller.images.layers import LayerStore
from controller.images.parts import StoreParts
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig
from controller.model.provenance import Provenance
from controller.ports import Unpacked

_CHUNK_BYTES = 1 << 20
_PACKINGS = ((b"\x1f\x8b", "+gzip"), (b"\x28\xb5\x2f\xfd", "+zstd"))


class _Store(Protocol):
    """What an import needs of the image store."""

    blobs: BlobStore
    layers: LayerStore

    def lease(self) -> AbstractContextManager[None]: ...
    async def put_image(self, manifest: bytes, config: bytes) -> ImageFacts: ...


class Imports:
    """Takes in archives that are no images yet."""

    def __init__(self, store: _Store, parts: StoreParts, *, uploads_path: Path) -> None:
        self._store = store
        self._unpacker = parts.unpacker
        self._settling = parts.settling
        self._uploads_path = uploads_path

    async def import_file(self, path: str, config: ImageConfig) -> ImageFacts:
        """Make an image of an archive. NotFound, Invalid."""
        return await self.receive(read_file(Path(path)), config, about=path)

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """Make an image of a directory's content. NotFound."""
        archive_path = derive_partial(self._uploads_path / "archive")
        try:
            await self._unpacker.pack(path, str(archive_path))
            return await self.import_file(str(archive_path), config)
        finally:
            await in_thread("an archive can't be removed", lambda: archive_path.unlink(missing_ok=True))

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        config: ImageConfig,
        *,
        about: str,
        provenance: Provenance | None = None,
    ) -> ImageFacts:
        """Make an image of an archive that comes in pieces, packed or not; whole or not at all."""
        partial_path = self._store.layers.make_partial_path()
        try:
            await in_thread("a layer can't be made", lambda: partial_path.mkdir(mode=0o755))
            with self._store.lease():
                async with self._store.blobs.receiving() as blob:
                    unpacked = await self._unpack(chunks, blob, partial_path, about)
                    layer = await self._keep_blob(blob, unpacked)
                await self._store.layers.take_over(partial_path, unpacked)
                document = render_config(config, (unpacked.diff_id,), provenance)
                facts = await self._store.put_image(render_manifest(document, (layer,)), document)
            await self._settling.settle()
            return facts
        finally:
            await in_thread("an unfinished layer can't be removed", lambda: remove_tree(partial_path))

    async def _unpack(
        self, chunks: AsyncIterator[bytes], blob: BlobWriter, partial_path: Path, about: str
    ) -> Unpacked:
        async with self._unpacker.unpacking(str(partial_path), about=about) as unpacking:
            async for chunk in chunks:
                await blob.write(chunk)
                await unpacking.feed(chunk)
            unpacked = await unpacking.finish()
        if not unpacked.entries:
            raise Invalid(f"{about} is an archive without files: give one of a root file system")
        if not unpacked.ended:
            raise Invalid(f"{about} is cut off or broken after its first entries: get it again")
        return unpacked

    async def _keep_blob(self, blob: BlobWriter, unpacked: Unpacked) -> Descriptor:
        """Keep the archive as a layer that registries take: as it came, or plain where its packing is no image's."""
        magic = await in_thread("an archive can't be read", lambda: _read_magic(blob.path))
        packing = next((name for start, name in _PACKINGS if magic.startswith(start)), "")
        if not packing and blob.digest != unpacked.diff_id:
            async with self._store.blobs.receiving() as plain:
                async for chunk in _iterate_in_threads(read_unpacked(blob.path, magic)):
                    await plain.write(chunk)
                return await self._name_blob(plain, "")
        return await self._name_blob(blob, packing)

    async def _name_blob(self, blob: BlobWriter, packing: str) -> Descriptor:
        digest = blob.digest
        async with self._store.blobs.taking(digest):
            if not self._store.blobs.has(digest):
                async with self._settling.noted([digest]):
                    await blob.keep()
        return Descriptor(media_type=f"{OCI_LAYER}{packing}", digest=digest, size_bytes=blob.count_bytes)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """Yield a file in pieces. NotFound."""
    if not await asyncio.to_thread(path.is_file):
        raise NotFound(f"archive {path} does not exist")
    with await in_thread(f"{path} can't be read", lambda: path.open("rb", buffering=0)) as file:
        while chunk := await in_thread(f"{path} can't be read", lambda: file.read(_CHUNK_BYTES)):
            yield chunk


def read_unpacked(path: Path, magic: bytes) -> Iterator[bytes]:
    """Yield the plain bytes of a file packed by bzip2 or xz, which its first bytes tell."""
    with bz2.BZ2File(path) if magic.startswith(b"BZh") else lzma.LZMAFile(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _read_magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(6)


async def _iterate_in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := await in_thread("an archive can't be read", lambda: next(chunks, b"")):
        yield chunk
