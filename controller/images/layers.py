"""Layers: each a packed blob by digest, and a directory by chain id that overlayfs takes as it is.

A directory gets its name when it is whole. Its facts (`facts/sha256-HEX`) are written before, so that a directory
without them, or they without it, are what a crash has left and count as nothing.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from controller.errors import Invalid
from controller.images.blobs import BlobStore, check_content
from controller.images.descriptors import LAYER_TYPES, Descriptor, check_digest
from controller.images.files import (
    PARTIAL_PREFIX,
    derive_partial,
    in_thread,
    remove_partials,
    write_at_once,
)
from controller.images.intake import take_in
from controller.images.parts import StoreParts
from controller.images.turns import Turns
from controller.ports import Unpacked

LOG = logging.getLogger(__name__)

_AT_ONCE = max(4, os.cpu_count() or 1)
"""Layers that are unpacked at the same time; more than cores, as some wait for a network or a disk."""
_ABOUT = "a layer can't be stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """A layer that is there: digest of its plain archive, bytes of all its files, number of entries."""

    chain_id: str
    diff_id: str
    size_bytes: int
    entries: int


class LayerStore:
    """Takes layers in and knows which are there; `load` comes first, once."""

    def __init__(self, parts: StoreParts, blobs: BlobStore) -> None:
        self._layout = layout = parts.layout
        self._leases = parts.leases
        self._settling = parts.settling
        self._trash = parts.trash
        self._unpacker = parts.unpacker
        self._blobs = blobs
        self._facts_path = Path(layout.layers_path).with_name("facts")
        self._facts: dict[str, LayerFacts] = {}
        self._layer_turns = Turns()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def load(self, doubtful: frozenset[str]) -> None:
        """Read which layers are there, remove what was interrupted or is `doubtful`; blocks."""
        layers_path = Path(self._layout.layers_path)
        for path in (layers_path, self._facts_path):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)  # set-id programs of images are nothing for users of the host
        remove_partials(self._facts_path)
        for path in layers_path.glob(f"{PARTIAL_PREFIX}*"):
            self._trash.throw(path)
        for path in self._facts_path.iterdir():
            facts = _read_facts(path)
            layer_path = layers_path / path.name
            if facts is None or path.name.replace("-", ":", 1) in doubtful:
                self._trash.throw(layer_path)
            if facts is not None and layer_path.is_dir():
                self._facts[facts.chain_id] = facts
            else:
                LOG.warning("layer is not whole", extra={"layer": path.name})
                path.unlink()

    def has(self, chain_id: str) -> bool:
        """Tell whether the layer is unpacked; an open lease keeps it so."""
        self._leases.touch(chain_id)
        return chain_id in self._facts

    def find(self, chain_id: str) -> LayerFacts | None:
        """Return what is known of a layer, None when it is not there; an open lease keeps it so."""
        self._leases.touch(chain_id)
        return self._facts.get(chain_id)

    def list(self) -> tuple[LayerFacts, ...]:
        """Return all layers that are there."""
        return tuple(self._facts.values())

    async def put(
        self, descriptor: Descriptor, *, diff_id: str, chain_id: str, chunks: AsyncIterator[bytes]
    ) -> LayerFacts:
        """Take in a layer, packed as it comes; a lease has to be open. It is durable once the store is settled.

        The same layer asked for twice at the same time is taken in once: `chunks` is not started when its content is
        there by then. What `chunks` raises passes through, and nothing stays. Invalid when size, digest or diff id are
        not as said, or the archive is hostile; Exhausted.
        """
        self._check(descriptor, diff_id, chain_id)
        async with self._taking(descriptor, chain_id) as found:
            if found is not None:
                return found
            async with self._slots, self._making(descriptor, chain_id) as partial_path:
                if self._blobs.has(descriptor.digest):
                    unpacked = await self._unpack_blob(descriptor, partial_path)
                else:
                    unpacked = await self._receive(descriptor, partial_path, chunks)
                return await self._keep(partial_path, chain_id, _check_diff_id(descriptor, unpacked, diff_id))

    async def adopt(self, descriptor: Descriptor, *, diff_id: str, chain_id: str, path: Path) -> LayerFacts:
        """Take in a layer that lies in a file, which is moved, and has to be on the store's own file system; as `put`."""
        self._check(descriptor, diff_id, chain_id)
        async with self._taking(descriptor, chain_id) as found:
            if found is not None:
                return found
            async with self._slots, self._making(descriptor, chain_id) as partial_path:
                if not self._blobs.has(descriptor.digest):
                    await self._blobs.adopt(path, descriptor)
                unpacked = await self._unpack_blob(descriptor, partial_path)
                return await self._keep(partial_path, chain_id, _check_diff_id(descriptor, unpacked, diff_id))

    async def take_over(self, partial_path: Path, unpacked: Unpacked) -> LayerFacts:
        """Take in a lowest layer that is unpacked at `partial_path`; its chain id is its diff id."""
        chain_id = unpacked.diff_id
        self._leases.touch(chain_id)
        async with self._layer_turns.taking(chain_id), self._settling.noted([chain_id]):
            return self._facts.get(chain_id) or await self._keep(partial_path, chain_id, unpacked)

    async def remove(self, chain_id: str) -> int:
        """Remove a layer and return the bytes of its files; nothing when it is not there."""
        facts = self._facts.pop(chain_id, None)
        if facts is None:
            return 0
        async with self._layer_turns.taking(chain_id):
            if chain_id not in self._facts:
                await self._trash.throw_soon(self.path(chain_id))
                await in_thread(
                    _ABOUT, lambda: (self._facts_path / self.path(chain_id).name).unlink(missing_ok=True)
                )
        return facts.size_bytes

    def make_partial_path(self) -> Path:
        """Return a fresh path for a layer that has no name yet."""
        return derive_partial(Path(self._layout.layers_path) / "layer")

    def path(self, chain_id: str) -> Path:
        """Return where a layer lies, or would."""
        return Path(self._layout.layer_path(chain_id))

    def _check(self, descriptor: Descriptor, diff_id: str, chain_id: str) -> None:
        for digest in (descriptor.digest, diff_id, chain_id):
            check_digest(digest)
        if descriptor.media_type not in LAYER_TYPES:
            raise Invalid(
                f"layer {descriptor.digest} is of type {descriptor.media_type!r}, which hold can't unpack"
            )

    @contextlib.asynccontextmanager
    async def _taking(self, descriptor: Descriptor, chain_id: str) -> AsyncIterator[LayerFacts | None]:
        """Wait for others that bring the same; yield the layer's facts when layer and blob are there."""
        async with self._blobs.taking(descriptor.digest), self._layer_turns.taking(chain_id):
            whole = self._blobs.has(descriptor.digest) and self.has(chain_id)
            yield self._facts[chain_id] if whole else None

    @contextlib.asynccontextmanager
    async def _making(self, descriptor: Descriptor, chain_id: str) -> AsyncIterator[Path]:
        """Make a directory to unpack to, which is gone afterwards unless it got its name."""
        partial_path = derive_partial(self.path(chain_id))
        names = [descriptor.digest] if not self._blobs.has(descriptor.digest) else []
        names += [chain_id] if not self.has(chain_id) else []
        try:
            await in_thread(_ABOUT, lambda: partial_path.mkdir(mode=0o755))
            async with self._settling.noted(names):
                yield partial_path
        finally:
            await self._trash.throw_soon(partial_path)

    async def _receive(
        self, descriptor: Descriptor, partial_path: Path, chunks: AsyncIterator[bytes]
    ) -> Unpacked:
        """Store and unpack what comes, at the same time; the blob is kept when both went well."""
        about = f"layer {descriptor.digest}"
        async with (
            self._blobs.receiving() as blob,
            self._unpacker.following(str(blob.path), str(partial_path), about=about) as following,
        ):
            await take_in(_limit(chunks, descriptor), blob, following)
            check_content(descriptor, blob.count_bytes, blob.digest)
            unpacked = await following.finish()
            await blob.keep()
        return unpacked

    async def _unpack_blob(self, descriptor: Descriptor, partial_path: Path) -> Unpacked:
        path = str(self._blobs.path(descriptor.digest))
        return await self._unpacker.unpack_file(path, str(partial_path), about=f"layer {descriptor.digest}")

    async def _keep(self, partial_path: Path, chain_id: str, unpacked: Unpacked) -> LayerFacts:
        facts = LayerFacts(
            chain_id=chain_id,
            diff_id=unpacked.diff_id,
            size_bytes=unpacked.size_bytes,
            entries=unpacked.entries,
        )
        if chain_id not in self._facts:
            await in_thread(_ABOUT, lambda: self._name(partial_path, facts))
            self._facts[chain_id] = facts
        return facts

    def _name(self, partial_path: Path, facts: LayerFacts) -> None:
        """Write the facts, then give the directory its name; one that has it already is whole, and may be in use."""
        layer_path = self.path(facts.chain_id)
        content = {name: getattr(facts, name) for name in LayerFacts.__slots__}
        write_at_once(self._facts_path / layer_path.name, json.dumps(content).encode())
        if not layer_path.is_dir():
            partial_path.rename(layer_path)


def _read_facts(path: Path) -> LayerFacts | None:
    try:
        return LayerFacts(**json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        return None


def _check_diff_id(descriptor: Descriptor, unpacked: Unpacked, diff_id: str) -> Unpacked:
    if unpacked.diff_id != diff_id:
        raise Invalid(
            f"layer {descriptor.digest} unpacks to {unpacked.diff_id}, but the image's configuration says {diff_id}"
        )
    return unpacked


async def _limit(chunks: AsyncIterator[bytes], descriptor: Descriptor) -> AsyncIterator[bytes]:
    """Yield what comes. Invalid as soon as it is more than the descriptor says."""
    count_bytes = 0
    async for chunk in chunks:
        count_bytes += len(chunk)
        if count_bytes > descriptor.size_bytes:
            raise Invalid(
                f"layer {descriptor.digest} is longer than the {descriptor.size_bytes:,} bytes its manifest says"
            )
        yield chunk
