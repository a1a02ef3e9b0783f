"""One endpoint of a registry: authorised requests, redirects, another try when it is worth one, errors in words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

from controller.errors import HoldError, Invalid, Refused, Unavailable
from controller.images.registry.authorization import Authorization
from controller.images.registry.back_off import Patience, read_retry_after_s
from controller.images.registry.challenge import choose_challenge, parse_challenges
from controller.images.registry.endpoints import Endpoint
from controller.images.registry.messages import (
    CantConnect,
    Request,
    Response,
    Sender,
    TransportError,
    Untrusted,
)
from controller.images.registry.refusals import explain_status
from controller.images.registry.trust import Trust
from controller.model.registries import Credential

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_MOST_ERROR_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What all origins of one piece of work share."""

    sender: Sender
    trust: Trust
    patience: Patience
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `path` follows the endpoint's address, unless it is an address itself.

    `about` says in errors what was asked for. Statuses other than `expected` are errors; a body above `most_bytes` too.
    """

    path: str
    about: str
    method: str = "GET"
    scopes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    expected: frozenset[int] = frozenset({200})
    most_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole. Names of headers are in lower case; `url` is where it came from in the end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str


class Origin:
    """Speaks to one endpoint. With `alone` there is no other to try.

    One that can't be reached any more is asked again, one that never could be is not: most likely its name is wrong.
    """

    def __init__(self, *, endpoint: Endpoint, credential: Credential, wire: Wire, alone: bool) -> None:
        self.endpoint = endpoint
        self._wire = wire
        self._alone = alone
        self._has_answered = False
        self._authorization = Authorization(
            registry=endpoint.registry,
            credential=credential,
            ask=self._ask_for_token,
            read_s=asyncio.get_running_loop().time,
        )

    @property
    def patience(self) -> Patience:
        """How often to try again."""
        return self._wire.patience

    async def ask(self, call: Call) -> Answer:
        """Make a call and read the answer; tries again after what may pass. NotFound, Refused, Unavailable, Invalid."""
        failures = 0
        while True:
            try:
                async with self.open(call) as response:
                    content = await self._read(response, call)
                    return Answer(
                        status=response.status, headers=response.headers, content=content, url=response.url
                    )
            except Unavailable as error:
                failures += 1
                if failures >= self._wire.patience.attempts or not self.is_worth_another_try(error):
                    raise
                await asyncio.sleep(self._wire.patience.wait_s(failures, error.retry_after_s))

    def is_worth_another_try(self, error: Unavailable) -> bool:
        """Tell whether a failure may pass, or rather another endpoint should be asked."""
        return (self._alone and self._has_answered) or not isinstance(error.__cause__, CantConnect)

    @contextlib.asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[Response]:
        """Make a call once; the block reads the answer. NotFound, Refused, Unavailable."""
        shown = self._authorization.find_header(call.scopes)
        async with self._exchange(call, shown) as response:
            if response.status != 401:
                yield await self._check(response, call)
                return
            challenge = choose_challenge(parse_challenges(response.list_values("www-authenticate")))
            refusal = await self._explain(response, call)
        secure = self.endpoint.base_url.startswith("https://") and self.endpoint.verified
        if challenge is None or not await self._authorization.answer(challenge, call.scopes, secure=secure):
            raise refusal
        async with self._exchange(call, self._authorization.find_header(call.scopes)) as response:
            yield await self._check(response, call)

    async def _check(self, response: Response, call: Call) -> Response:
        if response.status not in call.expected:
            raise await self._explain(response, call)
        return response

    async def _explain(self, response: Response, call: Call) -> HoldError:
        with self._explained(call.about):
            content = await response.read_up_to(_MOST_ERROR_BYTES)
        asked_s = read_retry_after_s(response.headers, self._wire.now())
        error = explain_status(response.status, content, about=call.about, asked_s=asked_s)
        if response.status == 401:
            login = f"`hold login {self.endpoint.registry}`"
            if self._authorization.is_anonymous:
                return Refused(f"{error.message}; log in by {login}")
            return Refused(f"{call.about}: {self.endpoint.registry} refuses the login: {login} again")
        return error

    async def _read(self, response: Response, call: Call) -> bytes:
        with self._explained(call.about):
            content = await response.read_up_to(call.most_bytes)
        if len(content) > call.most_bytes:
            raise Invalid(f"{call.about}: the registry's answer is longer than {call.most_bytes} bytes")
        return content

    @contextlib.asynccontextmanager
    async def _exchange(self, call: Call, authorization: str) -> AsyncIterator[Response]:
        """Send a call and follow where it leads; what is shown to one host is not shown to another."""
        absolute = "://" in call.path
        url = call.path if absolute else self.endpoint.base_url + call.path
        headers = dict(call.headers)
        if authorization and _place(url) == _place(self.endpoint.base_url):
            headers["Authorization"] = authorization
        async with self._follow(call, url, headers) as response:
            yield response

    @contextlib.asynccontextmanager
    async def _follow(self, call: Call, url: str, headers: dict[str, str]) -> AsyncIterator[Response]:
        for _ in range(_MOST_REDIRECTS + 1):
            context = None
            if url.startswith("https:"):
                host = urlsplit(url).netloc
                own = host == urlsplit(self.endpoint.base_url).netloc
                verified = self.endpoint.verified if own else self._wire.trust.is_verified(host)
                registry = self.endpoint.registry if own else host
                context = await self._wire.trust.find_context(host, registry=registry, verified=verified)
            request = Request(method=call.method, url=url, context=context, headers=headers, body=call.body)
            async with contextlib.AsyncExitStack() as stack:
                with self._explained(call.about):
                    response = await stack.enter_async_context(self._wire.sender.send(request))
                self._has_answered = True
                if response.status not in _REDIRECTS or call.method not in ("GET", "HEAD"):
                    yield response
                    return
                target = self.resolve(url, response.headers.get("location", ""), call.about)
            if _place(target) != _place(url):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = target
        raise Refused(f"{call.about}: the registry sends us on more than {_MOST_REDIRECTS} times")

    def resolve(self, url: str, location: str, about: str) -> str:
        """Return where the answer of `url` leads by its `Location`; Refused when nobody should go there."""
        target = urljoin(url, location)
        parts = urlsplit(target)
        if not location or parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(
                f"{about}: the registry sends us to {location[:200]!r}, which is no address of the web"
            )
        if parts.scheme == "http" and url.startswith("https:") and self._wire.trust.is_verified(parts.netloc):
            raise Refused(f"{about}: the registry sends us from https to {parts.netloc} by http")
        return target

    @contextlib.asynccontextmanager
    async def _ask_for_token(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None
    ) -> AsyncIterator[Response]:
        """Ask a token service, which may be anywhere; see `authorization.Ask`."""
        about = f"a token for {self.endpoint.registry}"
        call = Call(path=url, about=about, method=method, headers=headers, body=body)
        async with self._follow(call, url, dict(headers)) as response:
            if response.status == 401:
                raise Refused(
                    f"{self.endpoint.registry} refuses the login: `hold login {self.endpoint.registry}` again"
                )
            yield await self._check(response, call)

    @contextlib.contextmanager
    def _explained(self, about: str) -> Iterator[None]:
        try:
            yield
        except TransportError as error:
            self._raise(error, about)

    def _raise(self, error: TransportError, about: str) -> NoReturn:
        registry = self.endpoint.registry
        if isinstance(error, Untrusted):
            raise Refused(
                f"{about}: nobody vouches for the certificate of {registry} ({error}): put that of its authority at "
                f"/etc/docker/certs.d/{registry}/ca.crt, or set registries.{registry}.insecure"
            ) from error
        if isinstance(error, CantConnect):
            raise Unavailable(f"{about}: {registry} can't be reached: {error}", retry_after_s=0) from error
        raise Unavailable(f"{about}: {registry}: {error}", retry_after_s=0) from error


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
