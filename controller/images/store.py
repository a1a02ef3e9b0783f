"""The store of images: the port `Images`, and archives that come in by upload.

On disk, below images/: `blobs/sha256-HEX` holds configurations and manifests, `layers/sha256-HEX` unpacked layers by
chain id, `catalog/sha256-HEX` one small record for each image that is whole, named by its configuration. The record is
written last and removed first, so that what is interrupted anywhere never counts as an image.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from controller.errors import Damaged, Invalid
from controller.images.documents import (
    derive_chain_ids,
    derive_digest,
    parse_config,
    render_config,
    render_manifest,
)
from controller.images.files import (
    derive_partial,
    remove_partials,
    remove_tree,
    sync_directory,
    translated,
    write_whole,
)
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig
from controller.model.layout import Layout
from controller.ports import Unpacked, Unpacker

LOG = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    blobs: Path
    layers: Path
    catalog: Path
    uploads: Path

    def blob(self, digest: str) -> Path:
        return self.blobs / digest.replace(":", "-")

    def record(self, image_id: str) -> Path:
        return self.catalog / image_id.replace(":", "-")


class ImageStore:
    """Implements `controller.ports.Images`; `open` comes first, once."""

    def __init__(self, *, layout: Layout, unpacker: Unpacker) -> None:
        self._layout = layout
        self._unpacker = unpacker
        images_path = Path(layout.blobs_path).parent
        self._places = _Places(
            blobs=Path(layout.blobs_path),
            layers=Path(layout.layers_path),
            catalog=images_path / "catalog",
            uploads=images_path / "uploads",
        )
        self._facts: dict[str, ImageFacts] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Make the directories, remove what was interrupted, and read the catalog."""
        self._facts = await _in_thread("the image store can't be read", self._load)

    def _load(self) -> dict[str, ImageFacts]:
        for path in (self._places.blobs, self._places.layers, self._places.catalog, self._places.uploads):
            path.mkdir(mode=0o711, parents=True, exist_ok=True)
            remove_partials(path)
        records = [self._read_record(path) for path in sorted(self._places.catalog.iterdir())]
        return {facts.id: facts for facts in records if facts is not None}

    def _read_record(self, path: Path) -> ImageFacts | None:
        """Return the image of a record, None when a layer or document of it is missing."""
        try:
            record = json.loads(path.read_bytes())
            content = self._places.blob(record["id"]).read_bytes()
            config, diff_ids = parse_config(content)
        except (ValueError, KeyError, Damaged, FileNotFoundError) as error:
            LOG.warning("image is not whole", extra={"record": str(path), "error": str(error)})
            return None
        if derive_digest(content) != record["id"]:
            LOG.warning(
                "image is not whole", extra={"record": str(path), "error": "its configuration was changed"}
            )
            return None
        layers = derive_chain_ids(diff_ids)
        if not all(Path(self._layout.layer_path(layer)).is_dir() for layer in layers):
            return None
        return ImageFacts(
            id=record["id"],
            manifest_digest=record["manifest"],
            config=config,
            layers=layers,
            size_bytes=record["size"],
        )

    async def list(self) -> tuple[ImageFacts, ...]:
        """See Images."""
        return tuple(self._facts.values())

    async def find(self, digest: str) -> ImageFacts | None:
        """See Images."""
        return next(
            (facts for facts in self._facts.values() if digest in (facts.id, facts.manifest_digest)), None
        )

    async def import_archive(self, path: str, config: ImageConfig) -> ImageFacts:
        """See Images."""
        partial_path = derive_partial(self._places.layers / "layer")
        try:
            await _in_thread("a layer can't be made", lambda: partial_path.mkdir(mode=0o755))
            unpacked = await self._unpacker.unpack(path, str(partial_path))
            if not unpacked.entries:
                raise Invalid(f"{path} is an archive without files: give one of a root file system")
            async with self._changing:
                return await _in_thread_to_end(
                    "the image can't be stored", lambda: self._keep(partial_path, unpacked, config)
                )
        finally:
            await _in_thread("an unfinished layer can't be removed", lambda: remove_tree(partial_path))

    def _keep(self, partial_path: Path, unpacked: Unpacked, config: ImageConfig) -> ImageFacts:
        """Give the layer its name, then write documents, then the record that makes the image whole."""
        diff_ids = (unpacked.diff_id,)
        layers = derive_chain_ids(diff_ids)
        layer_path = Path(self._layout.layer_path(layers[0]))
        if not layer_path.is_dir():
            partial_path.rename(layer_path)
            sync_directory(layer_path.parent)
        config_blob = render_config(config, diff_ids)
        manifest_blob = render_manifest(config_blob, ((unpacked.diff_id, unpacked.size_bytes),))
        facts = ImageFacts(
            id=derive_digest(config_blob),
            manifest_digest=derive_digest(manifest_blob),
            config=config,
            layers=layers,
            size_bytes=unpacked.size_bytes,
        )
        write_whole(self._places.blob(facts.id), config_blob)
        write_whole(self._places.blob(facts.manifest_digest), manifest_blob)
        record = {"id": facts.id, "manifest": facts.manifest_digest, "size": facts.size_bytes}
        write_whole(self._places.record(facts.id), json.dumps(record).encode())
        self._facts[facts.id] = facts
        return facts

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """See Images."""
        archive_path = derive_partial(self._places.uploads / "archive")
        try:
            await self._unpacker.pack(path, str(archive_path))
            return await self.import_archive(str(archive_path), config)
        finally:
            await _in_thread("an archive can't be removed", lambda: archive_path.unlink(missing_ok=True))

    async def receive(self, chunks: AsyncIterator[bytes], config: ImageConfig) -> ImageFacts:
        """Store an archive that comes in pieces; an error that `chunks` raises passes through, nothing is kept."""
        archive_path = derive_partial(self._places.uploads / "archive")
        try:
            await self._spool(chunks, archive_path)
            return await self.import_archive(str(archive_path), config)
        finally:
            await _in_thread("an upload can't be removed", lambda: archive_path.unlink(missing_ok=True))

    async def _spool(self, chunks: AsyncIterator[bytes], path: Path) -> None:
        with translated("the upload can't be stored"):
            file = await asyncio.to_thread(path.open, "wb")
        try:
            async for chunk in chunks:
                await _in_thread("the upload can't be stored", lambda data=chunk: file.write(data))  # type: ignore[misc]
        finally:
            await _in_thread("the upload can't be stored", file.close)

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        """See Images."""
        async with self._changing:
            facts = self._facts.pop(image_id, None)
            needed = {layer for other in self._facts.values() for layer in other.layers} | keep
            await _in_thread("the image can't be removed", lambda: self._remove(image_id, facts, needed))

    def _remove(self, image_id: str, facts: ImageFacts | None, needed: set[str]) -> None:
        self._places.record(image_id).unlink(missing_ok=True)
        self._places.blob(image_id).unlink(missing_ok=True)
        if facts is None:
            return
        self._places.blob(facts.manifest_digest).unlink(missing_ok=True)
        for layer in facts.layers:
            layer_path = Path(self._layout.layer_path(layer))
            if layer not in needed and layer_path.is_dir():
                leaving_path = derive_partial(layer_path)
                layer_path.rename(leaving_path)
                remove_tree(leaving_path)


async def _in_thread(about: str, body: Callable[[], Result]) -> Result:
    with translated(about):
        return await asyncio.to_thread(body)


async def _in_thread_to_end(about: str, body: Callable[[], Result]) -> Result:
    """As `_in_thread`, but a caller that is cancelled waits for the end first: nothing is cleared away under the body."""
    future = asyncio.get_running_loop().run_in_executor(None, body)
    with translated(about):
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise
