"""One HTTP request after another: the only file that knows the HTTP library."""

import contextlib
import io
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import yarl

from controller.images.registry.back_off import Patience
from controller.images.registry.messages import Broken, CantConnect, Request, Untrusted
from controller.images.registry.pace import paced
from controller.images.registry.proxies import Proxies

_READ_BYTES = 1 << 18
_USER_AGENT = "hold"


class HttpResponse:
    """Implements `messages.Response`."""

    def __init__(self, answer: aiohttp.ClientResponse, url: str, patience: Patience) -> None:
        self._answer = answer
        self._patience = patience
        self.url = url
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.headers.items()}

    def list_values(self, name: str) -> list[str]:
        """See Response."""
        return self._answer.headers.getall(name, [])

    async def read_up_to(self, limit_bytes: int) -> bytes:
        """See Response."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit_bytes:
                return bytes(content[: limit_bytes + 1])
        return bytes(content)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """See Response."""
        with _translated():
            async for chunk in paced(self._answer.content.iter_any(), self._patience):
                yield chunk


class Transport:
    """Implements `messages.Sender` over kept connections, until it is closed."""

    def __init__(self, *, patience: Patience, proxies: Proxies) -> None:
        self._patience = patience
        self._proxies = proxies
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=patience.connect_s, sock_read=patience.silence_s
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[HttpResponse]:
        """See Sender."""
        with _translated():
            answer = await self._session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=None if request.body is None else io.BytesIO(request.body),
                allow_redirects=False,
                proxy=self._proxies.choose(request.url),
                ssl=request.context if urlsplit(request.url).scheme == "https" and request.context else True,
            )
        try:
            yield HttpResponse(answer, request.url, self._patience)
        finally:
            answer.release()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise Untrusted(_describe(error.certificate_error)) from error
    except aiohttp.ClientHttpProxyError as error:
        raise CantConnect(f"the proxy refuses with status {error.status}") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise CantConnect(f"the proxy does not answer: {_describe(error.os_error)}") from error
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
    if isinstance(error, socket.gaierror):
        return str(error.strerror).lower()
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error)
