"""A blob in pieces: after a break it goes on from where it broke off."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator

from controller.errors import Invalid, Unavailable
from controller.images.descriptors import Descriptor
from controller.images.registry.messages import Response, TransportError
from controller.images.registry.origin import Call, Origin

_GOOD_BYTES = 1 << 20
_GOOD_SHARE = 8
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Download:
    """How far a blob has come; one origin after another can go on with it."""

    def __init__(self, descriptor: Descriptor, *, path: str, scopes: tuple[str, ...]) -> None:
        self._descriptor = descriptor
        self._path = path
        self._scopes = scopes
        self._offset = 0

    async def chunks(self, origin: Origin) -> AsyncGenerator[bytes]:
        """Yield what is missing yet. NotFound, Refused, Unavailable, Invalid.

        Whenever an attempt gets on well the patience begins anew. The content is not checked, its length is.
        """
        failures = 0
        while self._offset < self._descriptor.size_bytes:
            before = self._offset
            try:
                async with contextlib.aclosing(self._attempt(origin)) as pieces:
                    async for piece in pieces:
                        yield piece
            except Unavailable as error:
                failures = 1 if self._gets_on(before) else failures + 1
                if failures >= origin.patience.attempts or not origin.is_worth_another_try(error):
                    raise
                await asyncio.sleep(origin.patience.wait_s(failures, error.retry_after_s))

    def _gets_on(self, before: int) -> bool:
        """Tell whether an attempt that began at `before` has brought enough for another one to be worth it."""
        missing = self._descriptor.size_bytes - before
        return self._offset - before >= min(_GOOD_BYTES, missing // _GOOD_SHARE + 1)

    async def _attempt(self, origin: Origin) -> AsyncGenerator[bytes]:
        about = f"layer {self._descriptor.digest}"
        headers = {"Range": f"bytes={self._offset}-"} if self._offset else {}
        expected = frozenset({200, 206}) if self._offset else frozenset({200})
        call = Call(path=self._path, about=about, scopes=self._scopes, headers=headers, expected=expected)
        async with origin.open(call) as response:
            surplus = self._offset - self._find_start(response, about)
            try:
                async for chunk in response.chunks():
                    piece, surplus = chunk[surplus:], max(0, surplus - len(chunk))
                    if not piece:
                        continue
                    self._offset += len(piece)
                    if self._offset > self._descriptor.size_bytes:
                        raise Invalid(
                            f"{about} is longer than the {self._descriptor.size_bytes} bytes of its manifest"
                        )
                    yield piece
            except TransportError as error:
                raise Unavailable(f"{about}: {origin.endpoint.registry}: {error}", retry_after_s=0) from error
        if self._offset < self._descriptor.size_bytes:
            raise Unavailable(
                f"{about}: {origin.endpoint.registry} ended it after {self._offset} bytes", retry_after_s=0
            )

    def _find_start(self, response: Response, about: str) -> int:
        """Return where in the blob an answer begins."""
        if response.status == 206:
            place = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if place is None or int(place[1]) > self._offset:
                raise Invalid(f"{about}: the registry sends another part than was asked for")
            return int(place[1])
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) != self._descriptor.size_bytes:
            raise Invalid(f"{about} has {length} bytes, its manifest says {self._descriptor.size_bytes}")
        return 0
