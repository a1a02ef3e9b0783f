"""A token service as registries send clients to (https://distribution.github.io/distribution/spec/auth/token/)."""

import base64
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.registries.keys import Identity

ISSUER, SERVICE = "hold-tests", "registry"


@dataclass(slots=True, kw_only=True)
class TokenService:
    """Gives tokens for everything to whoever knows the password, and for pulling from `public/` to everybody."""

    address: str
    signer: Identity
    server_identity: Identity
    username: str = "user"
    password: str = "secret words"
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def realm(self) -> str:
        """Where it is asked."""
        return f"https://{self.address}:{self.port}/token"

    def answer(self, query: dict[str, list[str]], authorization: str) -> tuple[int, bytes]:
        """Return status and body for a request."""
        self.asked.extend(query.get("scope", []))
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if authorization and authorization != f"Basic {pair}":
            return 401, json.dumps(
                {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}
            ).encode()
        access: list[dict[str, object]] = []
        for scope in query.get("scope", []):
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            granted = [each for each in actions.split(",") if authorization or _is_public(name, each)]
            access.append({"type": kind, "name": name, "actions": granted})
        return 200, json.dumps({"token": self._sign(access)}).encode()

    def _sign(self, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": "", "aud": SERVICE, "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": secrets.token_hex(8), "access": access,
        }  # fmt: skip
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.signer.read_der()]}
        text = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{text}.{_encode(self.signer.sign(text.encode()))}"


def _is_public(name: str, action: str) -> bool:
    return name.startswith("public/") and action == "pull"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def serving_tokens(service: TokenService) -> Iterator[TokenService]:
    """Serve tokens by https for the length of the block."""

    class Answerer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            status, body = service.answer(query, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((service.address, 0), Answerer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(service.server_identity.certificate_path, service.server_identity.key_path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
