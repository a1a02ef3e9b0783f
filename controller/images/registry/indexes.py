"""Which manifest of an index is wanted (OCI image index; Docker's manifest list)."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from controller.errors import Invalid, NotFound, Unsupported
from controller.images.descriptors import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    check_digest,
)
from controller.model.platforms import Platform, choose_platform, make_platform

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
_MOST_ENTRIES = 1000
_MOST_NAMED = 12


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


class _PlatformDocument(_Document):
    os: str = ""
    architecture: str = ""
    variant: str | None = None


class _EntryDocument(_Document):
    media_type: str = OCI_MANIFEST
    digest: str
    platform: _PlatformDocument | None = None


class _IndexDocument(_Document):
    manifests: list[_EntryDocument] = Field(max_length=_MOST_ENTRIES)


class _Kind(_Document):
    schema_version: int = 2
    media_type: str = ""
    manifests: list[Any] | None = None
    config: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One manifest or index that an index names."""

    digest: str
    platform: Platform | None


def is_index(content: bytes, media_type: str) -> bool:
    """Tell whether a document is an index; Invalid when it is neither that nor a manifest, Unsupported when too old."""
    try:
        kind = _Kind.model_validate_json(content)
    except ValidationError as error:
        raise Invalid(
            f"what the registry gives as a manifest ({media_type or 'of no type'}) is none"
        ) from error
    if kind.schema_version == 1:
        raise Unsupported(
            "the image has a manifest of Docker's schema 1 alone, which is out of use: push it again"
        )
    declared = kind.media_type or media_type.partition(";")[0].strip()
    if declared in INDEX_TYPES:
        return True
    if declared in MANIFEST_TYPES:
        return False
    if kind.manifests is not None:
        return True
    if kind.config is not None:
        return False
    raise Invalid(f"a manifest of type {declared!r} is no image that hold can take")


def choose_entry(content: bytes, wanted: Platform) -> IndexEntry:
    """Return the entry of an index for a platform; NotFound names those that there are."""
    try:
        document = _IndexDocument.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(f"an image's index is none: {first['msg']}") from error
    entries = [
        (_read_platform(each.platform), each)
        for each in document.manifests
        if each.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)
    ]
    named = [(platform, each) for platform, each in entries if platform is not None]
    chosen = choose_platform(wanted, [platform for platform, _ in named])
    if chosen is not None:
        platform, entry = named[chosen]
        return IndexEntry(digest=check_digest(entry.digest), platform=platform)
    if len(entries) == 1 and not named:
        return IndexEntry(digest=check_digest(entries[0][1].digest), platform=None)
    there = list(dict.fromkeys(str(platform) for platform, _ in named if platform.os != "unknown"))
    offer = ", ".join(there[:_MOST_NAMED]) or "nothing for any platform"
    raise NotFound(f"there is nothing for {wanted} in it, only {offer}: choose one by --platform")


def _read_platform(document: _PlatformDocument | None) -> Platform | None:
    if document is None or not document.architecture:
        return None
    return make_platform(document.os or "linux", document.architecture, document.variant or "")
