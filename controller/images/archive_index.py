"""What an unpacked image archive has in it: an OCI layout, a Docker archive, or both in one (Docker 25 and later).

All of it was written by others and is read without following a link out of the directory. Calls block.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from controller.errors import Invalid
from controller.images.descriptors import DOCKER_INDEX, OCI_INDEX, Descriptor
from controller.images.documents import MOST_DOCUMENT_BYTES, MOST_LAYERS, derive_digest, parse_manifest
from controller.model.platforms import Platform, choose_platform, make_platform

OCI_INDEX_NAME = "index.json"
OCI_LAYOUT_NAME = "oci-layout"
DOCKER_MANIFEST_NAME = "manifest.json"
CONTAINERD_NAME = "io.containerd.image.name"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
_ATTESTATION = "vnd.docker.reference.type"
_MOST_DEPTH = 3
_MOST_IMAGES = 1000
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedImage:
    """An image of an archive. Without a manifest there are no `descriptors`: they follow from the files at `layers`."""

    names: tuple[str, ...]
    config: bytes
    manifest: bytes | None
    layers: tuple[Path, ...]
    descriptors: tuple[Descriptor, ...] = ()


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_camel)


class _PlatformDocument(_Document):
    architecture: str
    os: str
    variant: str = ""


class _EntryDocument(_Document):
    media_type: str = ""
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    platform: _PlatformDocument | None = None
    annotations: dict[str, str] | None = None


class _IndexDocument(_Document):
    manifests: list[_EntryDocument] = Field(max_length=_MOST_IMAGES)


class _DockerEntry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_pascal)

    config: str
    repo_tags: list[str] | None = None
    layers: list[str] = Field(max_length=MOST_LAYERS)


_DOCKER_ENTRIES = TypeAdapter(list[_DockerEntry])


def is_image_archive(root_path: Path) -> bool:
    """Tell whether the directory is an image archive, rather than a root file system."""
    if _is_file(root_path / OCI_LAYOUT_NAME) and _is_file(root_path / OCI_INDEX_NAME):
        return True
    if not _is_file(root_path / DOCKER_MANIFEST_NAME):
        return False
    try:
        return bool(_read_docker(root_path))
    except Invalid:
        return False


def read_archive(root_path: Path, own: Platform) -> tuple[ArchivedImage, ...]:
    """Return the images of an archive, of several platforms the one for `own`. Invalid says what is wrong."""
    docker = _read_docker(root_path) if _is_file(root_path / DOCKER_MANIFEST_NAME) else []
    if not _is_file(root_path / OCI_INDEX_NAME):
        if not docker:
            raise Invalid("has neither index.json nor manifest.json: it is no image archive")
        return tuple(_read_docker_image(root_path, entry) for entry in docker)
    tags = {_read(root_path, entry.config): tuple(entry.repo_tags or ()) for entry in docker}
    content = _read(root_path, OCI_INDEX_NAME)
    found: dict[bytes, list[str]] = {}
    for manifest, name in _list_manifests(root_path, _parse_index(content), own, _MOST_DEPTH):
        found.setdefault(manifest, []).append(name)
    images = [_read_oci_image(root_path, manifest, names, tags) for manifest, names in found.items()]
    if not images:
        raise Invalid(f"has no image for {own}")
    return tuple(images)


def _list_manifests(
    root_path: Path, index: _IndexDocument, own: Platform, depth: int
) -> Iterator[tuple[bytes, str]]:
    """Yield each image's manifest with the name that an index gives it."""
    for entry in index.manifests:
        notes = entry.annotations or {}
        if _ATTESTATION in notes:
            continue
        name = notes.get(CONTAINERD_NAME) or notes.get(REFERENCE_NAME, "")
        content = _read_blob(root_path, entry.digest)
        if entry.media_type not in (OCI_INDEX, DOCKER_INDEX):
            yield content, name
            continue
        if depth == 0:
            raise Invalid("has an index in an index in an index: no image needs that")
        inner = _choose(root_path, _parse_index(content), own)
        yield from ((each, name) for each, _ in _list_manifests(root_path, inner, own, depth - 1))


def _choose(root_path: Path, index: _IndexDocument, own: Platform) -> _IndexDocument:
    """Return the index with nothing but the entry for a platform; one without platforms as it is."""
    there = [entry for entry in index.manifests if _is_file(_derive_blob_path(root_path, entry.digest))]
    platforms = [
        make_platform(each.os, each.architecture, each.variant)
        for each in (entry.platform for entry in there)
        if each is not None
    ]
    if len(platforms) < len(there):
        return _IndexDocument(manifests=there)
    chosen = choose_platform(own, platforms)
    return _IndexDocument(manifests=[] if chosen is None else [there[chosen]])


def _read_oci_image(
    root_path: Path, content: bytes, names: list[str], tags: dict[bytes, tuple[str, ...]]
) -> ArchivedImage:
    manifest = parse_manifest(content)
    config = _read_blob(root_path, manifest.config.digest)
    given = tuple(dict.fromkeys(filter(None, names)))
    return ArchivedImage(
        names=tags.get(config) or given,
        config=config,
        manifest=content,
        layers=tuple(_derive_blob_path(root_path, layer.digest) for layer in manifest.layers),
        descriptors=manifest.layers,
    )


def _read_docker(root_path: Path) -> list[_DockerEntry]:
    try:
        return _DOCKER_ENTRIES.validate_json(_read(root_path, DOCKER_MANIFEST_NAME))
    except ValidationError as error:
        raise Invalid(f"has a manifest.json that is none: {_describe(error)}") from error


def _read_docker_image(root_path: Path, entry: _DockerEntry) -> ArchivedImage:
    return ArchivedImage(
        names=tuple(entry.repo_tags or ()),
        config=_read(root_path, entry.config),
        manifest=None,
        layers=tuple(find_file(root_path, name) for name in entry.layers),
    )


def _parse_index(content: bytes) -> _IndexDocument:
    try:
        return _IndexDocument.model_validate_json(content)
    except ValidationError as error:
        raise Invalid(f"has an index that is none: {_describe(error)}") from error


def _describe(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"


def _derive_blob_path(root_path: Path, digest: str) -> Path:
    return root_path / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _read_blob(root_path: Path, digest: str) -> bytes:
    """Return a document whose digest is checked: an index can't have itself inside."""
    content = _read(root_path, f"blobs/sha256/{digest.removeprefix('sha256:')}")
    if derive_digest(content) != digest:
        raise Invalid(f"has something else as {digest}: it was changed")
    return content


def _read(root_path: Path, name: str) -> bytes:
    path = find_file(root_path, name)
    if path.stat().st_size > MOST_DOCUMENT_BYTES:
        raise Invalid(f"has {name[:100]!r} of {path.stat().st_size:,} bytes: larger than any image needs")
    return path.read_bytes()


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def find_file(root_path: Path, name: str) -> Path:
    """Return the regular file of that name; links are followed as if the directory were the root. Invalid."""
    parts = name.split("/")
    links = 0
    done: list[str] = []
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                raise Invalid(f"names a file outside of itself: {name[:100]!r}")
            done.pop()
            continue
        path = root_path.joinpath(*done, part)
        if path.is_symlink():
            links += 1
            target = os.fspath(path.readlink())
            if links > _MOST_LINKS or target.startswith("/"):
                raise Invalid(f"names a file outside of itself: {name[:100]!r}")
            parts = [*target.split("/"), *parts]
        else:
            done.append(part)
    path = root_path.joinpath(*done)
    if not _is_file(path):
        raise Invalid(f"has no file {name[:100]!r}")
    return path
