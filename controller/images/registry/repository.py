"""A repository opened for pulling: manifests, configurations, layers, tags; from its mirrors or itself."""

import contextlib
import hashlib
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from controller.errors import HoldError, Invalid, Refused
from controller.images.descriptors import Descriptor
from controller.images.documents import derive_digest
from controller.images.registry.download import Download
from controller.images.registry.indexes import INDEX_TYPES, MANIFEST_TYPES, choose_entry, is_index
from controller.images.registry.origin import Answer, Call, Origin
from controller.images.registry.origins import Origins
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform

MOST_MANIFEST_BYTES = 4 << 20
MOST_CONFIG_BYTES = 8 << 20
_MOST_INDEXES = 3
_MOST_TAG_PAGES = 1000
_ACCEPTED = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundManifest:
    """A manifest, byte for byte, and the digest of what the reference named: itself, or the index that leads to it."""

    content: bytes
    digest: str


class Repository:
    """Reads from the first origin that answers; what it does not have is asked of the next."""

    def __init__(self, *, path: str, origins: Origins) -> None:
        self.path = path
        self.scopes = (f"repository:{path}:pull",)
        self._origins = origins

    async def find_manifest(self, reference: ImageReference, platform: Platform) -> FoundManifest:
        """Return the manifest that a reference leads to on a platform. NotFound, Refused, Unavailable, Invalid."""
        return await self._origins.ask_in_turn(
            lambda origin: self._find_manifest(origin, reference, platform)
        )

    async def _find_manifest(
        self, origin: Origin, reference: ImageReference, platform: Platform
    ) -> FoundManifest:
        selector, digest = reference.selector, ""
        for _ in range(_MOST_INDEXES):
            answer = await self._fetch_manifest(origin, reference, selector)
            digest = digest or derive_digest(answer.content)
            try:
                if not is_index(answer.content, answer.headers.get("content-type", "")):
                    return FoundManifest(content=answer.content, digest=digest)
                selector = choose_entry(answer.content, platform).digest
            except HoldError as error:
                raise type(error)(f"{reference.familiar}: {error.message}") from error
        raise Invalid(f"{reference.familiar}: its indexes lead on and on")

    async def _fetch_manifest(self, origin: Origin, reference: ImageReference, selector: str) -> Answer:
        call = Call(
            path=f"/v2/{self.path}/manifests/{selector}",
            about=reference.familiar,
            scopes=self.scopes,
            headers={"Accept": _ACCEPTED},
            most_bytes=MOST_MANIFEST_BYTES,
        )
        answer = await origin.ask(call)
        given = answer.headers.get("docker-content-digest", "")
        for digest in (selector if ":" in selector else "", given):
            if digest and not _matches(answer.content, digest):
                raise Invalid(
                    f"{reference.familiar}: the registry's manifest is not what its digest {digest} says"
                )
        return answer

    async def read_config(self, descriptor: Descriptor) -> bytes:
        """Return a configuration, checked against its digest."""
        if descriptor.size_bytes > MOST_CONFIG_BYTES:
            raise Invalid(f"a configuration of {descriptor.size_bytes} bytes is larger than any image needs")
        content = b"".join([chunk async for chunk in self.read_blob(descriptor)])
        if derive_digest(content) != descriptor.digest:
            raise Invalid(f"the image's configuration is not what its digest {descriptor.digest} says")
        return content

    async def read_blob(self, descriptor: Descriptor) -> AsyncGenerator[bytes]:
        """Yield a blob in pieces, of the right length, unchecked; asks nobody before the first is wanted."""
        download = Download(descriptor, path=f"/v2/{self.path}/blobs/{descriptor.digest}", scopes=self.scopes)
        for origin in self._origins:
            try:
                async with contextlib.aclosing(download.chunks(origin)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except HoldError as error:
                if not self._origins.has_other(origin, error):
                    raise
            else:
                return

    async def list_tags(self) -> tuple[str, ...]:
        """Return every tag, in the registry's order. NotFound when there is no such repository."""
        return await self._origins.ask_in_turn(self._list_tags)

    async def _list_tags(self, origin: Origin) -> tuple[str, ...]:
        tags: list[str] = []
        path = f"/v2/{self.path}/tags/list?n=1000"
        for _ in range(_MOST_TAG_PAGES):
            answer = await origin.ask(Call(path=path, about=f"the tags of {self.path}", scopes=self.scopes))
            tags.extend(_read_tags(answer.content, self.path))
            path = find_next_page(answer, origin)
            if not path:
                break
        return tuple(tags)


def find_next_page(answer: Answer, origin: Origin) -> str:
    """Return the path of the next page that an answer names, empty when there is none, or it is elsewhere."""
    link = _NEXT.search(answer.headers.get("link", ""))
    if link is None:
        return ""
    target, base = urlsplit(urljoin(answer.url, link[1])), urlsplit(origin.endpoint.base_url)
    if target.netloc != base.netloc:
        raise Refused(f"the registry's next page is on another host, {target.netloc}")
    query = f"?{target.query}" if target.query else ""
    return f"{target.path.removeprefix(base.path)}{query}"


def _read_tags(content: bytes, path: str) -> list[str]:
    try:
        tags = json.loads(content).get("tags") or []
    except (ValueError, AttributeError, RecursionError) as error:
        raise Invalid(f"the registry's list of the tags of {path} is none") from error
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Invalid(f"the registry's list of the tags of {path} is none")
    return tags


def _matches(content: bytes, digest: str) -> bool:
    algorithm, _, encoded = digest.partition(":")
    if algorithm not in ("sha256", "sha384", "sha512"):
        return False
    return hashlib.new(algorithm, content).hexdigest() == encoded
