"""One HTTP request after another: the only file that knows the HTTP library."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import yarl

from controller.images.registry.back_off import Patience
from controller.images.registry.proxies import Proxies

_READ_BYTES = 1 << 18
_USER_AGENT = "hold"


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
    """What is asked of a server. `context` is for https. A body in pieces needs Content-Length among the headers."""

    method: str
    url: str
    context: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] | None = field(default=None, repr=False)


class Response:
    """A server's answer. Names of headers are in lower case; of several with one name the last is in `headers`."""

    def __init__(self, answer: aiohttp.ClientResponse, url: str) -> None:
        self._answer = answer
        self.url = url
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.headers.items()}

    def list_values(self, name: str) -> list[str]:
        """Return every header of the name."""
        return self._answer.headers.getall(name, [])

    async def read_up_to(self, limit_bytes: int) -> bytes:
        """Return the body, or its first `limit_bytes` + 1 bytes when it is longer. Broken."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit_bytes:
                return bytes(content[: limit_bytes + 1])
        return bytes(content)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, uncompressed as sent. Broken."""
        with _translated():
            async for chunk in self._answer.content.iter_any():
                yield chunk


class Transport:
    """Sends requests, over kept connections, until it is closed; redirects are answers like others."""

    def __init__(self, *, patience: Patience, proxies: Proxies) -> None:
        self._proxies = proxies
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            headers={"User-Agent": _USER_AGENT},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=patience.connect_s, sock_read=patience.silence_s
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Response]:
        """Send a request; the block reads the answer. CantConnect, Untrusted, Broken."""
        with _translated():
            answer = await self._session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                proxy=self._proxies.choose(request.url),
                ssl=request.context if urlsplit(request.url).scheme == "https" and request.context else True,
            )
        try:
            yield Response(answer, request.url)
        finally:
            answer.release()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise Untrusted(_describe(error.certificate_error)) from error
    except aiohttp.ClientConnectorError as error:
        raise CantConnect(_describe(error.os_error)) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise CantConnect("it does not answer") from error
    except TimeoutError as error:
        raise Broken("it fell silent") from error
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionError) as error:
        raise Broken("the connection broke") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise Broken(
            f"its answer makes no sense ({str(error).splitlines()[0][:200] or type(error).__name__})"
        ) from error


def _describe(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message or error)
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({(error.reason or str(error)).lower().replace('_', ' ')})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
