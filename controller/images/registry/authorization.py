"""Proving to one registry who we are: by a password at every request, or by tokens that a service gives for scopes.

https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/
"""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from controller.errors import Refused
from controller.images.registry.challenge import Challenge
from controller.images.registry.messages import Response
from controller.model.registries import Credential

_MOST_TOKEN_BYTES = 1 << 20
_SHORTEST_LIFE_S = 60.0
_MARGIN_S = 10.0
_CLIENT_ID = "hold"

Ask = Callable[..., AbstractAsyncContextManager[Response]]
"""Sends a request to a token service: `ask(method, url, headers=..., body=...)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    until_s: float


class Authorization:
    """What is shown to a registry. `read_s` is a clock that only goes forward, in seconds."""

    def __init__(
        self, *, registry: str, credential: Credential, ask: Ask, read_s: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._credential = credential
        self._ask = ask
        self._read_s = read_s
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], _Token] = {}

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has logged in."""
        return self._credential.is_empty

    def find_header(self, scopes: tuple[str, ...]) -> str:
        """Return the `Authorization` that is known to do for `scopes`, empty while there is none."""
        if self._credential.registry_token:
            return f"Bearer {self._credential.registry_token}"
        if self._challenge is not None and self._challenge.scheme == "basic":
            return self._render_basic()
        token = self._tokens.get(scopes)
        return f"Bearer {token.text}" if token is not None and token.until_s > self._read_s() else ""

    async def answer(self, challenge: Challenge, scopes: tuple[str, ...], *, secure: bool) -> bool:
        """Get ready to be asked again after a refusal; False when there is nothing else to show.

        A service that gives tokens has to be as secure as the registry. Refused, Unavailable.
        """
        if self._credential.registry_token:
            return False
        if challenge.scheme == "basic":
            # Several requests may be refused at the same time before the first of them comes here.
            self._challenge = challenge
            return bool(self._credential.username)
        self._challenge = challenge
        realm = challenge.parameters["realm"]
        scheme = urlsplit(realm).scheme
        if scheme not in ("http", "https") or (secure and scheme != "https"):
            raise Refused(f"{self._registry} sends us for a token to {realm[:200]!r}, which can't be trusted")
        asked = challenge.parameters.get("scope", "").split()
        every = tuple(dict.fromkeys([*scopes, *asked]))
        self._tokens[scopes] = await self._fetch_token(realm, challenge.parameters.get("service", ""), every)
        return True

    def _render_basic(self) -> str:
        pair = f"{self._credential.username}:{self._credential.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}" if self._credential.username else ""

    async def _fetch_token(self, realm: str, service: str, scopes: tuple[str, ...]) -> _Token:
        if self._credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT_ID,
                "scope": " ".join(scopes),
                "refresh_token": self._credential.identity_token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            asking = self._ask("POST", realm, headers=headers, body=urlencode(form).encode())
        else:
            fields = [("scope", each) for each in scopes]
            fields += [("service", service)] if service else []
            fields += [("account", self._credential.username)] if self._credential.username else []
            basic = self._render_basic()
            separator = "&" if urlsplit(realm).query else "?"
            url = f"{realm}{separator}{urlencode(fields)}" if fields else realm
            asking = self._ask("GET", url, headers={"Authorization": basic} if basic else {}, body=None)
        async with asking as response:
            content = await response.read_up_to(_MOST_TOKEN_BYTES)
        return self._read_token(content)

    def _read_token(self, content: bytes) -> _Token:
        try:
            answer: Any = json.loads(content)
            text = str(answer.get("token") or answer.get("access_token") or "")
            life_s = float(answer.get("expires_in") or _SHORTEST_LIFE_S)
        except (ValueError, TypeError, AttributeError, RecursionError):
            text, life_s = "", 0.0
        if not text or not text.isascii() or not text.isprintable():
            raise Refused(f"the token service of {self._registry} gives no token")
        return _Token(text=text, until_s=self._read_s() + max(life_s, _SHORTEST_LIFE_S) - _MARGIN_S)
