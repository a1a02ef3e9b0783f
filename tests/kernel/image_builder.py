"""Images made by hand: layers out of entries, documents, and the archives that other programs write of them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import derive_chain_ids, derive_digest, render_manifest
from controller.images.store import ImageStore
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from controller.model.layout import Layout

LIMITS = UnpackLimits(most_bytes=1 << 40, most_entries=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A layer: how it is packed, and the digest of its plain archive."""

    content: bytes
    diff_id: str
    descriptor: Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image: its layers, lowest first, and its documents."""

    layers: tuple[BuiltLayer, ...]
    config: bytes
    manifest: bytes

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """The chain id of each layer."""
        return derive_chain_ids(tuple(layer.diff_id for layer in self.layers))


def make_layout(tmp_path: Path) -> Layout:
    """Return a layout below a test's directory."""
    return Layout(root_path=f"{tmp_path}/root", run_path=f"{tmp_path}/run", instance="test")


async def open_store(tmp_path: Path, *, boot_id: str = "this") -> ImageStore:
    """Return an opened store below a test's directory."""
    unpacker = ChrootUnpacker(runner=Runner(), limits=LIMITS)
    store = ImageStore(layout=make_layout(tmp_path), unpacker=unpacker, boot_id=boot_id)
    await store.open()
    return store


def make_entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return an entry of an archive; `fields` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def pack(entries: Iterable[tuple[tarfile.TarInfo, bytes]], *, dialect: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a plain tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_layer(plain: bytes, *, suffix: str = "+gzip") -> BuiltLayer:
    """Return a layer of a plain archive, packed as the end of its media type says."""
    content = {
        "": lambda: plain,
        "+gzip": lambda: gzip.compress(plain, 1, mtime=0),
        "+zstd": lambda: zstandard.ZstdCompressor().compress(plain),
    }[suffix]()
    descriptor = Descriptor(
        media_type=f"{OCI_LAYER}{suffix}", digest=derive_digest(content), size_bytes=len(content)
    )
    return BuiltLayer(content=content, diff_id=derive_digest(plain), descriptor=descriptor)


def make_image(*layers: BuiltLayer, command: str = "true") -> BuiltImage:
    """Return an image of layers, lowest first."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": [command]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    config = json.dumps(document).encode()
    manifest = render_manifest(config, tuple(layer.descriptor for layer in layers))
    return BuiltImage(layers=layers, config=config, manifest=manifest)


async def put_image(store: ImageStore, image: BuiltImage) -> None:
    """Put an image into the store as a pull does."""
    with store.lease():
        for layer, chain_id in zip(image.layers, image.chain_ids, strict=True):
            await store.layers.put(
                layer.descriptor, diff_id=layer.diff_id, chain_id=chain_id, chunks=in_pieces(layer.content)
            )
        await store.put_image(image.manifest, image.config)


async def in_pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """Yield bytes in small pieces."""
    for at in range(0, len(content), size):
        yield content[at : at + size]


def write_docker_archive(path: Path, images: dict[str, BuiltImage]) -> Path:
    """Write an archive as `docker save` of old did: plain layers in folders of their own."""
    files: dict[str, bytes] = {}
    entries = []
    for name, image in images.items():
        config_name = f"{hashlib.sha256(image.config).hexdigest()}.json"
        files[config_name] = image.config
        layers = []
        for layer in image.layers:
            layer_name = f"{layer.descriptor.digest[7:]}/layer.tar"
            files[layer_name] = layer.content
            layers.append(layer_name)
        entries.append({"Config": config_name, "RepoTags": [name], "Layers": layers})
    files["manifest.json"] = json.dumps(entries).encode()
    path.write_bytes(pack(make_entry(name, content) for name, content in files.items()))
    return path
