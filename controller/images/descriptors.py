"""What a manifest says of a piece of content, and which types of layers there are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.errors import Invalid

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

_OCI_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"
LAYER_TYPES = frozenset(
    f"{base}{packing}"
    for base, packings in (
        (OCI_LAYER, ("", "+gzip", "+zstd")),
        (_OCI_NONDISTRIBUTABLE, ("", "+gzip", "+zstd")),
        (DOCKER_LAYER, ("", ".gzip", ".zstd")),
        (_DOCKER_FOREIGN, ("", ".gzip")),
    )
    for packing in packings
)
"""Media types of layers that are tar archives (OCI image specification, layer; Docker manifest v2, schema 2)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A piece of content: its type, its digest (`sha256:HEX`) and its exact size."""

    media_type: str
    digest: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)


def check_digest(digest: str) -> str:
    """Return a digest that can name a file; Invalid when it is anything but `sha256:HEX`."""
    if not _DIGEST.fullmatch(digest):
        raise Invalid(f"{digest[:100]!r} is not a digest: it has to be sha256: with 64 hexadecimal digits")
    return digest
