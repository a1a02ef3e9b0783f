"""Configuration and manifest of an image, as the OCI image specification has them."""

import hashlib
import json
import platform
from typing import Any

from controller.errors import Damaged
from controller.model.image import ImageConfig

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def derive_digest(content: bytes) -> str:
    """Return `sha256:HEX` of a document."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def derive_chain_ids(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chain id of each layer, lowest first (image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(derive_digest(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def render_config(config: ImageConfig, diff_ids: tuple[str, ...]) -> bytes:
    """Return the configuration document; equal input gives equal bytes."""
    settings: dict[str, object] = {
        "Entrypoint": config.entrypoint,
        "Cmd": config.command,
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "WorkingDir": config.working_dir,
        "User": config.user,
        "Labels": config.labels,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {path: {} for path in config.volumes},
        "StopSignal": config.stop_signal,
    }
    document = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {name: value for name, value in settings.items() if value not in (None, {}, [])},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created_by": "hold import"} for _ in diff_ids],
    }
    return _render(document)


def parse_config(content: bytes) -> tuple[ImageConfig, tuple[str, ...]]:
    """Return defaults and diff ids of a configuration document; Damaged when it is none."""
    document = _parse(content)
    settings: dict[str, Any] = document.get("config") or {}
    pairs = [str(item).partition("=") for item in settings.get("Env") or ()]
    config = ImageConfig(
        entrypoint=_words(settings.get("Entrypoint")),
        command=_words(settings.get("Cmd")),
        environment={name: value for name, _, value in pairs},
        working_dir=settings.get("WorkingDir") or None,
        user=settings.get("User") or None,
        labels=settings.get("Labels") or {},
        exposed_ports=tuple(settings.get("ExposedPorts") or ()),
        volumes=tuple(settings.get("Volumes") or ()),
        stop_signal=settings.get("StopSignal") or None,
    )
    return config, tuple(document["rootfs"]["diff_ids"])


def _words(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def render_manifest(config: bytes, layers: tuple[tuple[str, int], ...]) -> bytes:
    """Return the manifest document; `layers` are digest and size in bytes of each uncompressed layer."""
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": derive_digest(config), "size": len(config)},
        "layers": [{"mediaType": _LAYER_TYPE, "digest": digest, "size": size} for digest, size in layers],
    }
    return _render(document)


def _render(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Damaged(
            f"an image document is not JSON: {error}; remove the image and import it again"
        ) from error
    if not isinstance(document, dict) or "rootfs" not in document:
        raise Damaged("an image document is no configuration; remove the image and import it again")
    return document
