"""What is sent to a server and what comes back, whatever carries it."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


class TransportError(Exception):
    """A request did not come to its end; the text says why, without the address."""


class CantConnect(TransportError):
    """Nothing of the request has reached the server."""


class Untrusted(CantConnect):
    """The server's certificate is not vouched for."""


class Broken(TransportError):
    """The connection broke, fell silent, or what came over it was not HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a server. `context` is for https."""

    method: str
    url: str
    context: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


class Response(Protocol):
    """A server's answer. Names of headers are in lower case; of several with one name the last is in `headers`."""

    @property
    def url(self) -> str:
        """Whose answer it is."""
        ...

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    def list_values(self, name: str) -> list[str]:
        """Return every header of the name."""
        ...

    async def read_up_to(self, limit_bytes: int) -> bytes:
        """Return the body, or its first `limit_bytes` + 1 bytes when it is longer. Broken."""
        ...

    def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes, encoded as sent. Broken."""
        ...


class Sender(Protocol):
    """Sends requests; redirects are answers like others."""

    def send(self, request: Request) -> AbstractAsyncContextManager[Response]:
        """Send a request; the block reads the answer. CantConnect, Untrusted, Broken."""
        ...
