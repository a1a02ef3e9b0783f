"""Archives and directories of a root file system become images of one layer; image archives are told apart."""

import asyncio
import bz2
import contextlib
import lzma
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.errors import Invalid, NotFound
from controller.images.archive_index import is_image_archive
from controller.images.archives import Archives
from controller.images.blobs import BlobWriter
from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import render_config, render_manifest
from controller.images.files import derive_partial, in_thread, opened_file
from controller.images.intake import take_in
from controller.images.packing import BZIP2, XZ, derive_suffix, read_magic
from controller.images.parts import StoreParts
from controller.images.target import ImageTarget
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig
from controller.model.provenance import Provenance
from controller.ports import Unpacked

_CHUNK_BYTES = 1 << 20
_ABOUT = "an archive can't be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """An archive that has come: packed as `blob`, unpacked at `path`, neither with a name yet."""

    path: Path
    blob: BlobWriter
    unpacked: Unpacked


class Imports:
    """Takes in archives of root file systems."""

    def __init__(self, store: ImageTarget, parts: StoreParts, archives: Archives) -> None:
        self._store = store
        self._unpacker = parts.unpacker
        self._settling = parts.settling
        self._trash = parts.trash
        self._uploads_path = parts.uploads_path
        self._archives = archives

    async def import_file(self, path: str, config: ImageConfig, *, name: str) -> ImageFacts:
        """Make an image of an archive; of several in an image archive that of this name. NotFound, Invalid."""
        async with self._arriving(read_file(Path(path)), path) as arrival:
            if not await in_thread(_ABOUT, lambda: is_image_archive(arrival.path)):
                return await self._make_image(arrival, config)
            if config != ImageConfig():
                raise Invalid(
                    f"{path} is an image archive, whose images say how to run them: leave out spec.config"
                )
            return (await self._archives.load_directory(arrival.path, about=path, wanted=name))[0].facts

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """Make an image of a directory's content. NotFound."""
        archive_path = derive_partial(self._uploads_path / "archive")
        try:
            await self._unpacker.pack(path, str(archive_path))
            return await self.receive(read_file(archive_path), config, about=path)
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
        async with self._arriving(chunks, about) as arrival:
            return await self._make_image(arrival, config, provenance)

    @contextlib.asynccontextmanager
    async def _arriving(self, chunks: AsyncIterator[bytes], about: str) -> AsyncIterator[_Arrival]:
        """Store and unpack what comes; what got no name in the block is removed after it."""
        path = self._store.layers.make_partial_path()
        try:
            await in_thread("a layer can't be made", lambda: path.mkdir(mode=0o755))
            with self._store.lease():
                async with self._store.blobs.receiving() as blob:
                    unpacked = await self._unpack(chunks, blob, path, about)
                    yield _Arrival(path=path, blob=blob, unpacked=unpacked)
        finally:
            await self._trash.throw_soon(path)

    async def _unpack(
        self, chunks: AsyncIterator[bytes], blob: BlobWriter, path: Path, about: str
    ) -> Unpacked:
        async with self._unpacker.following(str(blob.path), str(path), about=about) as following:
            await take_in(chunks, blob, following)
            unpacked = await following.finish()
        if not unpacked.entries:
            raise Invalid(f"{about} is an archive without files: give one of a root file system")
        if not unpacked.ended:
            raise Invalid(f"{about} is cut off or broken after its first entries: get it again")
        return unpacked

    async def _make_image(
        self, arrival: _Arrival, config: ImageConfig, provenance: Provenance | None = None
    ) -> ImageFacts:
        layer = await self._keep_blob(arrival.blob, arrival.unpacked)
        await self._store.layers.take_over(arrival.path, arrival.unpacked)
        document = render_config(config, (arrival.unpacked.diff_id,), provenance)
        facts = await self._store.put_image(render_manifest(document, (layer,)), document)
        await self._settling.settle()
        return facts

    async def _keep_blob(self, blob: BlobWriter, unpacked: Unpacked) -> Descriptor:
        """Keep the archive as a layer that registries take: as it came, or plain where its packing is no image's."""
        magic = await in_thread(_ABOUT, lambda: read_magic(blob.path))
        if not magic.startswith((BZIP2, XZ)):
            return await self._name_blob(blob, derive_suffix(magic))
        async with self._store.blobs.receiving() as plain:
            async for chunk in _iterate_in_threads(read_unpacked(blob.path, magic)):
                await plain.write(chunk)
            if plain.digest != unpacked.diff_id:
                raise Invalid(
                    "the archive unpacks to something else the second time: this disk can't be trusted"
                )
            return await self._name_blob(plain, "")

    async def _name_blob(self, blob: BlobWriter, suffix: str) -> Descriptor:
        digest = blob.digest
        async with self._store.blobs.taking(digest):
            if not self._store.blobs.has(digest):
                await blob.keep()
        return Descriptor(media_type=f"{OCI_LAYER}{suffix}", digest=digest, size_bytes=blob.count_bytes)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """Yield a file in pieces. NotFound."""
    if not await asyncio.to_thread(path.is_file):
        raise NotFound(f"archive {path} does not exist")
    about = f"{path} can't be read"
    async with opened_file(about, path, "rb") as file:
        while chunk := await in_thread(about, lambda: file.read(_CHUNK_BYTES)):
            yield chunk


def read_unpacked(path: Path, magic: bytes) -> Iterator[bytes]:
    """Yield the plain bytes of a file packed by bzip2 or xz, which its first bytes tell."""
    with bz2.BZ2File(path) if magic.startswith(BZIP2) else lzma.LZMAFile(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


async def _iterate_in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := await in_thread(_ABOUT, lambda: next(chunks, b"")):
        yield chunk
