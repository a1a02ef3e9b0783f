"""Images made of containers: `LayerCommits(images=ImageStore(...))`."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib

from controller.errors import NotFound
from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import derive_chain_ids, render_document, render_manifest
from controller.images.settings_document import render_settings
from controller.images.store import ImageStore
from controller.model.facts import ImageFacts
from controller.ports.commits import CommitWant

_GZIP = 16 + isal_zlib.MAX_WBITS
_FAST = 1
_EMPTY_ARCHIVE_BYTES = 1024
"""Two blocks of zeros: the end of an archive (tar(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """A layer in the store of blobs."""

    descriptor: Descriptor
    diff_id: str
    is_empty: bool


class LayerCommits:
    """Implements `controller.ports.commits.Commits`."""

    def __init__(self, *, images: ImageStore) -> None:
        self._images = images

    @asynccontextmanager
    async def committing(self, want: CommitWant, layer: AsyncIterator[bytes]) -> AsyncGenerator[ImageFacts]:
        """See Commits."""
        with self._images.lease():
            facts = await self._commit(want, layer)
            await self._images.settle()
            yield facts

    async def _commit(self, want: CommitWant, layer: AsyncIterator[bytes]) -> ImageFacts:
        parent = self._images.find_entry(want.parent)
        if parent is None:
            raise NotFound(f"image {want.parent} is not there any more: it can't be built upon")
        packed = await self._pack(layer)
        diff_ids = parent.configuration.diff_ids
        layers = list(parent.manifests.values())[-1].layers
        if not packed.is_empty:
            diff_ids, layers = (*diff_ids, packed.diff_id), (*layers, packed.descriptor)
            await self._images.layers.adopt(
                packed.descriptor,
                diff_id=packed.diff_id,
                chain_id=derive_chain_ids(diff_ids)[-1],
                path=self._images.blobs.path(packed.descriptor.digest),
            )
        below: dict[str, Any] = json.loads(await self._images.read_document(parent.facts.id))
        document = _render_config(below, want, diff_ids, is_empty=packed.is_empty)
        return await self._images.put_image(render_manifest(document, layers), document)

    async def _pack(self, layer: AsyncIterator[bytes]) -> _Packed:
        """Keep a layer as a blob; it is packed fast, as hardly anybody sends it far."""
        plain, packer = hashlib.sha256(), isal_zlib.compressobj(level=_FAST, wbits=_GZIP)
        count_bytes = 0
        async with self._images.blobs.receiving() as blob:
            async for chunk in layer:
                count_bytes += len(chunk)
                await asyncio.to_thread(plain.update, chunk)
                packed = await asyncio.to_thread(packer.compress, chunk)
                if packed:
                    await blob.write(packed)
            await blob.write(packer.flush())
            descriptor = Descriptor(
                media_type=f"{OCI_LAYER}+gzip", digest=blob.digest, size_bytes=blob.count_bytes
            )
            is_empty = count_bytes <= _EMPTY_ARCHIVE_BYTES
            if not is_empty:
                async with self._images.blobs.taking(descriptor.digest):
                    if not self._images.blobs.has(descriptor.digest):
                        await blob.keep()
        return _Packed(descriptor=descriptor, diff_id=f"sha256:{plain.hexdigest()}", is_empty=is_empty)


def _render_config(
    below: dict[str, Any], want: CommitWant, diff_ids: tuple[str, ...], *, is_empty: bool
) -> bytes:
    """Return the configuration on top of another one; what is not known here is taken over."""
    created = want.created_at.isoformat()
    step = {"created": created, "created_by": want.created_by}
    step |= {"author": want.author} if want.author else {}
    step |= {"comment": want.message} if want.message else {}
    document = {
        **{name: value for name, value in below.items() if name not in ("author", "comment")},
        "created": created,
        "config": render_settings(want.config),
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [*(below.get("history") or ()), step | ({"empty_layer": True} if is_empty else {})],
    }
    document |= {"author": want.author} if want.author else {}
    document |= {"comment": want.message} if want.message else {}
    return render_document(document)
