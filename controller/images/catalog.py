"""Which images are whole: `catalog/sha256-HEX` is one small record for each, named by its configuration's digest.

The record is written last and removed first, so that what is interrupted anywhere never counts as an image. Several
manifests may have one configuration (the same layers packed otherwise): the record names all that came.
"""

import dataclasses
import functools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.errors import Invalid
from controller.images.documents import (
    Configuration,
    Manifest,
    derive_chain_ids,
    derive_digest,
    parse_config,
    parse_manifest,
)
from controller.images.files import remove_partials, write_at_once
from controller.model.facts import ImageFacts

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """An image with its documents; `manifests` are all that came for it, the latest last."""

    facts: ImageFacts
    configuration: Configuration
    manifests: dict[str, Manifest]

    @functools.cached_property
    def contents(self) -> frozenset[str]:
        """The digests of documents and packed layers, and the chain ids of layers, that make up the image."""
        packed = (layer.digest for manifest in self.manifests.values() for layer in manifest.layers)
        return frozenset((self.facts.id, *self.facts.layers, *self.manifests, *packed))

    def find(self, digest: str) -> ImageFacts | None:
        """Return the facts as the image is asked for by its configuration's or one of its manifests' digest."""
        if digest == self.facts.id:
            return self.facts
        return dataclasses.replace(self.facts, manifest_digest=digest) if digest in self.manifests else None


class Catalog:
    """Records on disk; all calls block."""

    def __init__(self, directory: Path, blobs_path: Path) -> None:
        self._directory = directory
        self._blobs_path = blobs_path

    def load(self) -> Iterator[CatalogEntry]:
        """Yield every image whose documents are there; layers are the caller's to check. Other records are removed."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_partials(self._directory)
        for path in sorted(self._directory.iterdir()):
            try:
                record = json.loads(path.read_bytes())
                documents = {digest: self._read(digest) for digest in record["manifests"]}
                yield make_entry(documents, self._read(record["id"]), record["size"])
            except (ValueError, KeyError, TypeError, Invalid, FileNotFoundError) as error:
                LOG.warning("image is not whole", extra={"record": str(path), "error": str(error)})
                path.unlink()

    def _read(self, digest: str) -> bytes:
        content = (self._blobs_path / digest.replace(":", "-")).read_bytes()
        if derive_digest(content) != digest:
            raise Invalid(f"document {digest} was changed on disk")
        return content

    def write(self, entry: CatalogEntry) -> None:
        """Say that an image is whole; durable once settled."""
        facts = entry.facts
        record = {"id": facts.id, "manifests": list(entry.manifests), "size": facts.size_bytes}
        write_at_once(self._path(facts.id), json.dumps(record).encode())

    def remove(self, image_id: str) -> None:
        """Say that an image is none any more."""
        self._path(image_id).unlink(missing_ok=True)

    def _path(self, image_id: str) -> Path:
        return self._directory / image_id.replace(":", "-")


def make_entry(manifests: dict[str, bytes], config: bytes, size_bytes: int) -> CatalogEntry:
    """Return the entry of an image from its documents; Invalid when they don't fit one another."""
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    configuration = parse_config(config)
    image_id = derive_digest(config)
    for manifest in parsed.values():
        if manifest.config.digest != image_id or manifest.config.size_bytes != len(config):
            raise Invalid(
                f"the manifest speaks of configuration {manifest.config.digest}, which is not {image_id}"
            )
        if len(manifest.layers) != len(configuration.diff_ids):
            raise Invalid(
                f"the manifest has {len(manifest.layers)} layers, its configuration {len(configuration.diff_ids)}"
            )
    facts = ImageFacts(
        id=image_id,
        manifest_digest=list(parsed)[-1],
        config=configuration.config,
        layers=derive_chain_ids(configuration.diff_ids),
        size_bytes=size_bytes,
        created_at=configuration.created_at,
        architecture=configuration.architecture,
        os=configuration.os,
    )
    return CatalogEntry(facts=facts, configuration=configuration, manifests=parsed)
