"""A server in memory: what each path answers, one answer after another, and what was asked."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.images.registry.back_off import Patience
from controller.images.registry.endpoints import Registries, list_endpoints
from controller.images.registry.messages import Broken, Request, TransportError
from controller.images.registry.origin import Origin, Wire
from controller.images.registry.origins import Origins
from controller.images.registry.trust import Trust
from controller.model.registries import Credential

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PIECE_BYTES = 1000


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer. With `breaks` the connection breaks after the body; with `error` there is no answer at all."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    error: TransportError | None = None


class _PlayedResponse:
    def __init__(self, reply: Reply, url: str) -> None:
        self._reply = reply
        self.url = url
        self.status = reply.status
        self.headers = {"content-length": str(len(reply.body)), **reply.headers}
        if reply.breaks:
            del self.headers["content-length"]

    def list_values(self, name: str) -> list[str]:
        return [value for header, value in self.headers.items() if header == name.lower()]

    async def read_up_to(self, limit_bytes: int) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])[: limit_bytes + 1]

    async def chunks(self) -> AsyncGenerator[bytes]:
        body = self._reply.body
        for start in range(0, len(body), _PIECE_BYTES):
            yield body[start : start + _PIECE_BYTES]
        if self._reply.breaks:
            raise Broken("the connection broke")


Script = Callable[[Request], Reply]


@dataclass(slots=True)
class PlayedServer:
    """Answers by URL; the last of several answers stays. What nobody wrote down is 404."""

    replies: dict[str, list[Reply]] = field(default_factory=dict)
    script: Script | None = None
    asked: list[Request] = field(default_factory=list)

    def on(self, url: str, *replies: Reply) -> None:
        """Write down the answers of a URL."""
        self.replies[url] = list(replies)

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[_PlayedResponse]:
        """See Sender."""
        self.asked.append(request)
        if self.script is not None:
            reply = self.script(request)
        else:
            replies = self.replies.get(request.url, [Reply(status=404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.error is not None:
            raise reply.error
        yield _PlayedResponse(reply, request.url)

    def list_urls(self) -> list[str]:
        """Return what was asked, in order."""
        return [request.url for request in self.asked]


def make_origins(
    server: PlayedServer,
    registry: str,
    *,
    registries: Registries | None = None,
    credential: Credential | None = None,
    hosts: Mapping[str, str] | None = None,
) -> Origins:
    """Return the origins of a registry, all of them played by one server."""
    settings = registries or {}
    wire = Wire(
        sender=server,
        trust=Trust(directories=(), registries=settings),
        patience=Patience(attempts=3, first_wait_s=1, longest_wait_s=4),
        now=lambda: NOW,
    )
    endpoints = list_endpoints(registry, settings, mirrors=True, hosts=hosts or {})
    return Origins(
        [
            Origin(
                endpoint=each, credential=credential or Credential(), wire=wire, alone=each is endpoints[-1]
            )
            for each in endpoints
        ]
    )


def list_plain_origins(server: PlayedServer, credential: Credential | None = None) -> Origins:
    """Return the origins of 127.0.0.1 that need no certificate."""
    every = make_origins(server, "127.0.0.1", credential=credential)
    return Origins([origin for origin in every if origin.endpoint.base_url.startswith("http:")])
