"""A repository opened for pushing: blobs mounted, whole or in chunks; manifests."""

from collections.abc import AsyncIterator, Callable
from urllib.parse import urlencode, urlsplit

from controller.errors import Refused
from controller.images.descriptors import Descriptor
from controller.images.registry.origin import Answer, Call, Origin
from controller.images.registry.origins import Origins

_WHOLE_BYTES = 8 << 20
"""Blobs up to this size go in one request, larger ones in chunks of this size."""
_MOST_CHUNK_BYTES = 64 << 20
_OCTETS = "application/octet-stream"
_OFFSET_STATUS = frozenset({202, 204, 416})

Advance = Callable[[int], None]
"""Takes in how many bytes of a blob the registry has."""


class RepositoryWriter:
    """Writes to the first origin that answers."""

    def __init__(self, *, path: str, origins: Origins) -> None:
        self.path = path
        self._origins = origins
        self._scopes = (f"repository:{path}:pull,push",)

    async def has_blob(self, digest: str) -> bool:
        """Tell whether the repository has a blob."""
        answer = await self._ask(
            f"/v2/{self.path}/blobs/{digest}", "HEAD", frozenset({200, 404}), f"layer {digest}"
        )
        return answer.status == 200

    async def mount(self, digest: str, source: str) -> bool:
        """Take a blob over from another repository of the registry; False when it is not there or may not be seen."""
        query = urlencode({"mount": digest, "from": source})
        call = Call(
            path=f"/v2/{self.path}/blobs/uploads/?{query}",
            method="POST",
            about=f"layer {digest}",
            scopes=(*self._scopes, f"repository:{source}:pull"),
            headers={"Content-Length": "0"},
            expected=frozenset({201, 202}),
        )
        try:
            answer = await self._origins.ask_in_turn(lambda origin: origin.ask(call))
        except Refused:
            return False
        if answer.status == 202:
            await self._give_up(answer)
        return answer.status == 201

    async def _give_up(self, answer: Answer) -> None:
        """End an upload that was begun in place of a mount."""
        origin = next(iter(self._origins))
        location = origin.resolve(answer.url, answer.headers.get("location", ""), "an upload")
        await origin.ask(
            Call(
                path=location,
                method="DELETE",
                about="an upload",
                scopes=self._scopes,
                expected=frozenset({200, 202, 204, 404, 405}),
            )
        )

    async def upload(self, descriptor: Descriptor, chunks: AsyncIterator[bytes], advance: Advance) -> None:
        """Send a blob. Refused when the registry finds that its digest is another."""
        about = f"layer {descriptor.digest}"
        begun = await self._ask(f"/v2/{self.path}/blobs/uploads/", "POST", frozenset({202}), about)
        origin = next(iter(self._origins))
        upload = _Upload(origin, begun, scopes=self._scopes, about=about)
        pending = bytearray()
        async for chunk in chunks:
            pending += chunk
            while len(pending) > upload.chunk_bytes:
                await upload.send(bytes(pending[: upload.chunk_bytes]))
                del pending[: upload.chunk_bytes]
                advance(upload.offset)
        await upload.finish(bytes(pending), descriptor.digest)
        advance(descriptor.size_bytes)

    async def put_manifest(self, selector: str, content: bytes, media_type: str) -> None:
        """Give a manifest its tag, or its digest for a name."""
        call = Call(
            path=f"/v2/{self.path}/manifests/{selector}",
            method="PUT",
            about=f"{self.path}:{selector}",
            scopes=self._scopes,
            headers={"Content-Type": media_type},
            body=content,
            expected=frozenset({200, 201, 202}),
        )
        await self._origins.ask_in_turn(lambda origin: origin.ask(call))

    async def _ask(self, path: str, method: str, expected: frozenset[int], about: str) -> Answer:
        headers = {"Content-Length": "0"} if method == "POST" else {}
        call = Call(
            path=path, method=method, about=about, scopes=self._scopes, headers=headers, expected=expected
        )
        return await self._origins.ask_in_turn(lambda origin: origin.ask(call))


class _Upload:
    """A blob on its way; after a break it goes on from what the registry has."""

    def __init__(self, origin: Origin, begun: Answer, *, scopes: tuple[str, ...], about: str) -> None:
        self._origin = origin
        self._scopes = scopes
        self._about = about
        self._location = origin.resolve(begun.url, begun.headers.get("location", ""), about)
        self.offset = 0
        least = begun.headers.get("oci-chunk-min-length", "")
        self.chunk_bytes = max(_WHOLE_BYTES, min(int(least) if least.isdecimal() else 0, _MOST_CHUNK_BYTES))

    async def send(self, chunk: bytes) -> None:
        """Send the next piece and go on until the registry has all of it."""
        start, end = self.offset, self.offset + len(chunk)
        for _ in range(self._origin.patience.attempts):
            rest = chunk[self.offset - start :]
            answer = await self._origin.ask(
                Call(
                    path=self._location,
                    method="PATCH",
                    about=self._about,
                    scopes=self._scopes,
                    headers={"Content-Type": _OCTETS, "Content-Range": f"{self.offset}-{end - 1}"},
                    body=rest,
                    expected=_OFFSET_STATUS,
                )
            )
            if answer.status != 416:
                self._note(answer)
                self.offset = end
                return
            await self._look(start, end)
            if self.offset == end:
                return
        raise Refused(f"{self._about}: the registry does not take it in pieces")

    async def finish(self, rest: bytes, digest: str) -> None:
        """Send the last piece and say that this is all."""
        if self.offset and rest:
            await self.send(rest)
            rest = b""
        separator = "&" if urlsplit(self._location).query else "?"
        await self._origin.ask(
            Call(
                path=f"{self._location}{separator}{urlencode({'digest': digest})}",
                method="PUT",
                about=self._about,
                scopes=self._scopes,
                headers={"Content-Type": _OCTETS, "Content-Length": str(len(rest))},
                body=rest,
                expected=frozenset({201, 204}),
            )
        )

    async def _look(self, start: int, end: int) -> None:
        """Ask how much has come; the registry names the last byte."""
        call = Call(
            path=self._location,
            about=self._about,
            scopes=self._scopes,
            expected=frozenset({202, 204}),
        )
        answer = await self._origin.ask(call)
        self._note(answer)
        last = answer.headers.get("range", "").rpartition("-")[2]
        self.offset = int(last) + 1 if last.isdecimal() else start
        if not start <= self.offset <= end:
            raise Refused(f"{self._about}: the registry has lost what was sent before")

    def _note(self, answer: Answer) -> None:
        location = answer.headers.get("location")
        if location:
            self._location = self._origin.resolve(answer.url, location, self._about)
