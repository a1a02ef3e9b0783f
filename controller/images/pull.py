"""An image from a registry into the store: layers at the same time, each unpacked while it comes."""

import asyncio
import contextlib
import platform as machine
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from controller.errors import HoldError, Invalid, NotFound
from controller.images.descriptors import Descriptor
from controller.images.documents import (
    Configuration,
    Manifest,
    derive_chain_ids,
    parse_config,
    parse_manifest,
)
from controller.images.registry.client import RegistryClient
from controller.images.registry.repository import Repository
from controller.model.facts import ImageFacts
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform, choose_platform, make_platform
from controller.model.pulls import Pulled, Report, Transfer, TransferState
from controller.model.registries import Credential


class LayerTarget(Protocol):
    """Where layers go; see `controller.images.layers`."""

    async def put(
        self, descriptor: Descriptor, *, diff_id: str, chain_id: str, chunks: AsyncIterator[bytes]
    ) -> object: ...

    def has(self, chain_id: str) -> bool: ...


class BlobTarget(Protocol):
    """Which blobs are there; see `controller.images.blobs`."""

    def has(self, digest: str) -> bool: ...


class ImageTarget(Protocol):
    """Where images go; see `controller.images.store`."""

    @property
    def layers(self) -> LayerTarget: ...

    @property
    def blobs(self) -> BlobTarget: ...

    def lease(self) -> AbstractContextManager[None]: ...

    async def put_image(self, manifest: bytes, config: bytes) -> ImageFacts: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A layer of an image to be: how it comes, and what it is once unpacked."""

    descriptor: Descriptor
    diff_id: str
    chain_id: str


class Puller:
    """Pulls images. `layers_at_once` counts over all pulls together, as each of them fills the line by itself."""

    def __init__(self, *, client: RegistryClient, store: ImageTarget, layers_at_once: int) -> None:
        self._client = client
        self._store = store
        self._slots = asyncio.Semaphore(layers_at_once)

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled:
        """See `controller.ports.Registries`."""
        with self._store.lease():
            async with self._client.reading(reference, credential) as repository:
                found = await repository.find_manifest(reference, platform or find_own_platform())
                manifest = parse_manifest(found.content)
                config = await repository.read_config(manifest.config)
                layers = _match_layers(reference, manifest, parse_config(config), platform)
                await self._fetch_all(repository, layers, report)
            facts = await self._store.put_image(found.content, config)
        return Pulled(reference=reference, digest=found.digest, facts=facts)

    async def _fetch_all(self, repository: Repository, layers: list[_Layer], report: Report) -> None:
        """Fetch the layers, large ones first, so that none is left alone at the end; the first that fails ends the others."""
        for layer in layers:
            report(_transfer(layer, TransferState.WAITING))
        try:
            async with asyncio.TaskGroup() as tasks:
                for layer in sorted(layers, key=lambda each: each.descriptor.size_bytes, reverse=True):
                    tasks.create_task(self._fetch(repository, layer, report))
        except ExceptionGroup as group:
            raise choose_error(group) from group

    async def _fetch(self, repository: Repository, layer: _Layer, report: Report) -> None:
        store = self._store
        if store.layers.has(layer.chain_id) and store.blobs.has(layer.descriptor.digest):
            report(_transfer(layer, TransferState.PRESENT))
            return
        async with self._slots:
            chunks = self._read(repository, layer, report)
            async with contextlib.aclosing(chunks):
                await store.layers.put(
                    layer.descriptor, diff_id=layer.diff_id, chain_id=layer.chain_id, chunks=chunks
                )
        report(_transfer(layer, TransferState.PULLED, layer.descriptor.size_bytes))

    async def _read(self, repository: Repository, layer: _Layer, report: Report) -> AsyncGenerator[bytes]:
        """Yield a layer as it comes and tell how far it is."""
        done_bytes = 0
        async with contextlib.aclosing(repository.read_blob(layer.descriptor)) as chunks:
            async for chunk in chunks:
                done_bytes += len(chunk)
                report(_transfer(layer, TransferState.DOWNLOADING, done_bytes))
                yield chunk
        report(_transfer(layer, TransferState.EXTRACTING, done_bytes))


def find_own_platform() -> Platform:
    """Return the platform of this host."""
    return make_platform("linux", machine.machine())


def choose_error(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first error of a group if all are errors of hold, otherwise the group."""
    known, other = group.split(HoldError)
    if known is None or other is not None:
        return group
    first: HoldError | ExceptionGroup[HoldError] = known
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


def _match_layers(
    reference: ImageReference, manifest: Manifest, config: Configuration, wanted: Platform | None
) -> list[_Layer]:
    """Return the layers, lowest first; Invalid when the documents don't fit, NotFound when the platform is another."""
    there = make_platform(config.os or "linux", config.architecture)
    if wanted is not None and config.architecture and choose_platform(_plain(wanted), [there]) is None:
        raise NotFound(f"{reference.familiar} is for {there} alone, not for {wanted}")
    if len(manifest.layers) != len(config.diff_ids):
        raise Invalid(
            f"{reference.familiar}: its manifest has {len(manifest.layers)} layers, its configuration "
            f"{len(config.diff_ids)}"
        )
    chain_ids = derive_chain_ids(config.diff_ids)
    return [
        _Layer(descriptor=descriptor, diff_id=diff_id, chain_id=chain_id)
        for descriptor, diff_id, chain_id in zip(manifest.layers, config.diff_ids, chain_ids, strict=True)
    ]


def _plain(platform: Platform) -> Platform:
    """Return the platform without its variant, which configurations seldom tell."""
    return make_platform(platform.os, platform.architecture)


def _transfer(layer: _Layer, state: TransferState, done_bytes: int = 0) -> Transfer:
    descriptor = layer.descriptor
    return Transfer(
        digest=descriptor.digest, state=state, done_bytes=done_bytes, total_bytes=descriptor.size_bytes
    )
