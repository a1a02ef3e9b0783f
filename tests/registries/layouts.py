"""Images out of nothing, as documents and layers, for registries that tests fill."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "+gzip": lambda content: gzip.compress(content, mtime=0),
    "+zstd": lambda content: zstandard.ZstdCompressor().compress(content),
}
"""How layers are packed, by the end of their media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeImage:
    """An image: every blob by digest, its manifest among them."""

    manifest_digest: str
    blobs: Mapping[str, bytes]

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest, parsed."""
        parsed: dict[str, Any] = json.loads(self.blobs[self.manifest_digest])
        return parsed

    @property
    def layer_digests(self) -> list[str]:
        """Digests of the packed layers, lowest first."""
        return [layer["digest"] for layer in self.manifest["layers"]]


def digest_of(content: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def make_tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of files and the directories above them; equal input gives equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = {str(parent) for name in files for parent in list(Path(name).parents)[:-1]}
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_image(
    layers: Sequence[Mapping[str, bytes]],
    *,
    architecture: str = "amd64",
    config: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    packing: str = "+gzip",
) -> MadeImage:
    """Return an OCI image."""
    plain = [make_tar(files) for files in layers]
    packed = [PACKINGS[packing](each) for each in plain]
    settings = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in plain]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": describe(settings, OCI_CONFIG),
            "layers": [describe(each, OCI_LAYER + packing) for each in packed],
            "annotations": dict(annotations or {}),
        }
    ).encode()
    blobs = {digest_of(each): each for each in (settings, manifest, *packed)}
    return MadeImage(manifest_digest=digest_of(manifest), blobs=blobs)


def describe(content: bytes, media_type: str) -> dict[str, Any]:
    """Return the descriptor of a blob."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def make_index(images: Mapping[str, MadeImage]) -> MadeImage:
    """Return an index over images by platform; its "manifest" is the index."""
    entries = []
    for platform, image in images.items():
        os, architecture, *variant = platform.split("/")
        named = {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        entry = describe(image.blobs[image.manifest_digest], OCI_MANIFEST)
        entries.append({**entry, "platform": named})
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    blobs = {digest: blob for image in images.values() for digest, blob in image.blobs.items()}
    return MadeImage(manifest_digest=digest_of(index), blobs={**blobs, digest_of(index): index})


def write_layout(path: Path, images: Mapping[str, MadeImage]) -> None:
    """Write an OCI layout in which each image has its tag."""
    (path / "blobs/sha256").mkdir(parents=True)
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entries = []
    for tag, image in images.items():
        for digest, blob in image.blobs.items():
            (path / "blobs/sha256" / digest.partition(":")[2]).write_bytes(blob)
        content = image.blobs[image.manifest_digest]
        media_type = json.loads(content)["mediaType"]
        named = {"org.opencontainers.image.ref.name": tag}
        entries.append({**describe(content, media_type), "annotations": named})
    index = {"schemaVersion": 2, "manifests": entries}
    (path / "index.json").write_text(json.dumps(index))
