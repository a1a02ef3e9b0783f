"""Configuration and manifest of an image: OCI image specification, and Docker's image manifest version 2, schema 2."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from controller.errors import Invalid
from controller.images.descriptors import (
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
)
from controller.images.settings_document import SettingsDocument, read_settings, render_settings
from controller.model.image import ImageConfig
from controller.model.provenance import Provenance

MOST_DOCUMENT_BYTES = 8 << 20
"""Of a manifest or configuration; registries take 4 MiB."""
MOST_LAYERS = 500
"""More than overlayfs can stack (kernel, OVL_MAX_STACK)."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
Parsed = TypeVar("Parsed", bound=BaseModel)
_DIGEST = r"^sha256:[0-9a-f]{64}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an image is made of; `layers` are packed, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an image says of itself. `created_at` is seconds since the epoch; texts are empty where it says nothing."""

    config: ImageConfig
    diff_ids: tuple[str, ...]
    created_at: float | None
    architecture: str
    os: str
    history: tuple[Mapping[str, Any], ...]


class _Document(BaseModel):
    """Fields that nobody knows here are left to others; they stay in the stored bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_camel)


class _DescriptorDocument(_Document):
    media_type: str
    digest: str = Field(pattern=_DIGEST)
    size: int = Field(ge=0, lt=1 << 60)
    annotations: dict[str, str] | None = None

    def read(self) -> Descriptor:
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size_bytes=self.size,
            annotations=self.annotations or {},
        )


class _ManifestDocument(_Document):
    schema_version: int = Field(ge=2, le=2)
    media_type: str | None = None
    config: _DescriptorDocument
    layers: list[_DescriptorDocument] = Field(min_length=1, max_length=MOST_LAYERS)
    annotations: dict[str, str] | None = None


class _RootDocument(_Document):
    diff_ids: list[str] = Field(alias="diff_ids", min_length=1, max_length=MOST_LAYERS)


class _ConfigurationDocument(_Document):
    architecture: str = ""
    os: str = ""
    created: str | None = None
    config: SettingsDocument | None = None
    rootfs: _RootDocument
    history: list[dict[str, Any]] | None = None


def derive_digest(content: bytes) -> str:
    """Return `sha256:HEX` of a document."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def derive_chain_ids(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chain id of each layer, lowest first (image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(derive_digest(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def parse_manifest(content: bytes) -> Manifest:
    """Return what a manifest says; Invalid when it is none, is an index, or is larger than any image needs."""
    document = _parse(_ManifestDocument, content, "manifest")
    implied = OCI_MANIFEST if document.config.media_type == OCI_CONFIG else DOCKER_MANIFEST
    media_type = document.media_type or implied
    if media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
        raise Invalid(f"a manifest of type {media_type!r} is no image that hold can take")
    return Manifest(
        media_type=media_type,
        config=document.config.read(),
        layers=tuple(layer.read() for layer in document.layers),
        annotations=document.annotations or {},
    )


def parse_config(content: bytes) -> Configuration:
    """Return what a configuration says; Invalid when it is none."""
    document = _parse(_ConfigurationDocument, content, "configuration")
    return Configuration(
        config=read_settings(document.config),
        diff_ids=tuple(document.rootfs.diff_ids),
        created_at=_parse_time(document.created),
        architecture=document.architecture,
        os=document.os,
        history=tuple(document.history or ()),
    )


def render_config(
    config: ImageConfig, diff_ids: tuple[str, ...], provenance: Provenance | None = None
) -> bytes:
    """Return the configuration document; equal input gives equal bytes."""
    step: dict[str, str] = {"created_by": "hold import"}
    document: dict[str, Any] = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": render_settings(config),
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
    }
    if provenance is not None:
        step["created"] = document["created"] = provenance.created_at.isoformat().replace("+00:00", "Z")
        if provenance.comment:
            step["comment"] = provenance.comment
        if provenance.platform is not None:
            document["os"] = provenance.platform.os
            document["architecture"] = provenance.platform.architecture
            if provenance.platform.variant:
                document["variant"] = provenance.platform.variant
    document["history"] = [step for _ in diff_ids]
    return render_document(document)


def render_manifest(config: bytes, layers: tuple[Descriptor, ...]) -> bytes:
    """Return the manifest of a configuration and its layers, lowest first."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": derive_digest(config), "size": len(config)},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size_bytes}
            for layer in layers
        ],
    }
    return render_document(document)


def render_document(document: Mapping[str, Any]) -> bytes:
    """Return JSON; equal input gives equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _parse(kind: type[Parsed], content: bytes, what: str) -> Parsed:
    if len(content) > MOST_DOCUMENT_BYTES:
        raise Invalid(f"a {what} of {len(content):,} bytes is larger than any image needs")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise Invalid(f"an image's {what} is none: {place}: {first['msg']}") from error


def _parse_time(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
