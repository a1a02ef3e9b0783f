"""Writes image archives that are an OCI layout and a Docker archive in one, as Docker 25 does."""

import json
import tarfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from controller.images.archive_index import (
    CONTAINERD_NAME,
    DOCKER_MANIFEST_NAME,
    OCI_INDEX_NAME,
    OCI_LAYOUT_NAME,
    REFERENCE_NAME,
)
from controller.images.catalog import CatalogEntry
from controller.images.descriptors import OCI_INDEX
from controller.images.target import ImageTarget
from controller.model.archives import SavedImage
from controller.model.image_reference import parse_reference

_BLOCK_BYTES = 512
_END = bytes(2 * _BLOCK_BYTES)


async def write_archive(store: ImageTarget, images: Sequence[SavedImage]) -> AsyncGenerator[bytes]:
    """Yield an archive in pieces; blobs are those that came. A lease keeps them meanwhile. NotFound."""
    with store.lease():
        entries = [(image, store.get_entry(image.manifest_digest)) for image in images]
        documents: dict[str, Any] = {
            OCI_LAYOUT_NAME: {"imageLayoutVersion": "1.0.0"},
            OCI_INDEX_NAME: _render_index(store, entries),
            DOCKER_MANIFEST_NAME: [_render_docker_entry(image, entry) for image, entry in entries],
        }
        for name, document in documents.items():
            content = json.dumps(document, separators=(",", ":")).encode()
            yield _render_header(name, len(content)) + content + _pad(len(content))
        for folder in ("blobs/", "blobs/sha256/"):
            yield _render_header(folder, 0)
        for digest in dict.fromkeys(each for image, entry in entries for each in _list_blobs(image, entry)):
            size = store.blobs.find_size_bytes(digest)
            yield _render_header(_derive_path(digest), size)
            async for chunk in store.blobs.read(digest):
                yield chunk
            yield _pad(size)
        yield _END


def _list_blobs(image: SavedImage, entry: CatalogEntry) -> Sequence[str]:
    layers = entry.manifests[image.manifest_digest].layers
    return [image.manifest_digest, entry.facts.id, *(layer.digest for layer in layers)]


def _render_index(
    store: ImageTarget, entries: Sequence[tuple[SavedImage, CatalogEntry]]
) -> Mapping[str, Any]:
    """Return the index: an entry for each name, one without annotations for an image that has none."""
    manifests = [
        {
            "mediaType": entry.manifests[image.manifest_digest].media_type,
            "digest": image.manifest_digest,
            "size": store.blobs.find_size_bytes(image.manifest_digest),
            **({"annotations": _annotate(name)} if name else {}),
        }
        for image, entry in entries
        for name in image.names or ("",)
    ]
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}


def _annotate(name: str) -> dict[str, str]:
    """Return what containerd and the OCI specification say of a name: all of it, and its tag."""
    try:
        whole = str(parse_reference(name).complete())
    except ValueError:
        whole = name
    return {CONTAINERD_NAME: whole, REFERENCE_NAME: name.rpartition(":")[2]}


def _render_docker_entry(image: SavedImage, entry: CatalogEntry) -> dict[str, Any]:
    layers = entry.manifests[image.manifest_digest].layers
    return {
        "Config": _derive_path(entry.facts.id),
        "RepoTags": list(image.names) or None,
        "Layers": [_derive_path(layer.digest) for layer in layers],
    }


def _derive_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _render_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name.removesuffix("/"))
    info.size = size
    info.mode = 0o755 if name.endswith("/") else 0o644
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    return info.tobuf(tarfile.GNU_FORMAT)


def _pad(size: int) -> bytes:
    return bytes(-size % _BLOCK_BYTES)
