"""An image from the store to a registry: what is there is not sent, what a neighbour has is mounted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Protocol

from controller.images.descriptors import Descriptor
from controller.images.documents import derive_chain_ids, parse_config, parse_manifest
from controller.images.pull import choose_error
from controller.images.registry.client import RegistryClient
from controller.images.registry.writer import RepositoryWriter
from controller.model.image_reference import ImageReference
from controller.model.pulls import Report, Transfer, TransferState
from controller.model.registries import Credential
from controller.ports import PushSource


class ImageOrigin(Protocol):
    """Where images come from; see `controller.images.store`."""

    def lease(self) -> AbstractContextManager[None]: ...

    def read_blob(self, digest: str) -> AsyncIterator[bytes]: ...


class Pusher:
    """Pushes images. `layers_at_once` counts over all pushes together."""

    def __init__(self, *, client: RegistryClient, store: ImageOrigin, layers_at_once: int) -> None:
        self._client = client
        self._store = store
        self._slots = asyncio.Semaphore(layers_at_once)

    async def push(
        self, reference: ImageReference, source: PushSource, *, credential: Credential | None, report: Report
    ) -> str:
        """See `controller.ports.Registries`."""
        with self._store.lease():
            content = await self._read_whole(source.manifest_digest)
            manifest = parse_manifest(content)
            config = parse_config(await self._read_whole(manifest.config.digest))
            chain_ids = derive_chain_ids(config.diff_ids)
            neighbours = {
                layer.digest: source.kindred.get(chain_id, "")
                for layer, chain_id in zip(manifest.layers, chain_ids, strict=True)
            }
            async with self._client.writing(reference, credential) as writer:
                await self._send_all(writer, manifest.layers, neighbours, report)
                if not await writer.has_blob(manifest.config.digest):
                    await writer.upload(
                        manifest.config, self._store.read_blob(manifest.config.digest), lambda _: None
                    )
                await writer.put_manifest(reference.selector, content, manifest.media_type)
        return source.manifest_digest

    async def _send_all(
        self,
        writer: RepositoryWriter,
        layers: tuple[Descriptor, ...],
        neighbours: dict[str, str],
        report: Report,
    ) -> None:
        """Send the layers, each once; the first that fails ends the others."""
        distinct = {layer.digest: layer for layer in layers}
        for layer in distinct.values():
            report(_transfer(layer, TransferState.WAITING))
        try:
            async with asyncio.TaskGroup() as tasks:
                for layer in distinct.values():
                    tasks.create_task(self._send(writer, layer, neighbours[layer.digest], report))
        except ExceptionGroup as group:
            raise choose_error(group) from group

    async def _send(
        self, writer: RepositoryWriter, layer: Descriptor, neighbour: str, report: Report
    ) -> None:
        async with self._slots:
            if await writer.has_blob(layer.digest):
                report(_transfer(layer, TransferState.PRESENT))
                return
            if neighbour and neighbour != writer.path and await writer.mount(layer.digest, neighbour):
                report(_transfer(layer, TransferState.MOUNTED, layer.size_bytes, note=f"from {neighbour}"))
                return
            await writer.upload(
                layer,
                self._store.read_blob(layer.digest),
                lambda done_bytes: report(_transfer(layer, TransferState.UPLOADING, done_bytes)),
            )
            report(_transfer(layer, TransferState.PUSHED, layer.size_bytes))

    async def _read_whole(self, digest: str) -> bytes:
        return b"".join([chunk async for chunk in self._store.read_blob(digest)])


def _transfer(layer: Descriptor, state: TransferState, done_bytes: int = 0, *, note: str = "") -> Transfer:
    return Transfer(
        digest=layer.digest, state=state, done_bytes=done_bytes, total_bytes=layer.size_bytes, note=note
    )
