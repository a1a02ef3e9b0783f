"""Where the name server listens: UDP and TCP at each gateway, and inside namespaces; small, for its own process."""

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.dns_streams import Framed
from controller.kernel.names.dns_upstream import STREAM_HEAD
from controller.kernel.names.name_server_answers import Answers
from controller.kernel.threads import run_in_netns

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_CLIENT_TIMEOUT_S = 5.0
_CONVERSATIONS_LIMIT = 256
_DATAGRAM_BYTES = 4096
_DATAGRAMS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The sockets of one gateway."""

    datagram: socket.socket
    stream: socket.socket


class Endpoints:
    """The gateways' sockets, and the conversations by TCP."""

    def __init__(self, loop: Loop, answers: Answers) -> None:
        self._loop = loop
        self._answers = answers
        self._endpoints: dict[str, Endpoint] = {}
        self._joined: set[str] = set()
        self._conversations: dict[Framed, None] = {}

    def open(self, gateways: Iterable[str], port: int) -> None:
        """Listen on these too; OSError, and as before, when one can't be had."""
        opened: list[str] = []
        try:
            for gateway in sorted(set(gateways) - self._endpoints.keys()):
                self._open(gateway, port)
                opened.append(gateway)
        except OSError:
            self._close(opened)
            raise

    def keep(self, gateways: set[str]) -> None:
        """Listen on no gateways but these any more."""
        self._close(self._endpoints.keys() - gateways - self._joined)

    def join(self, container: str, netns_path: str, place: tuple[str, int]) -> None:
        """Listen in a container's namespace, and in no earlier one of it; OSError when that can't be."""
        self.leave({container})
        datagram, stream = run_in_netns(
            netns_path, lambda: (_bind(socket.SOCK_DGRAM, *place), _bind(socket.SOCK_STREAM, *place))
        )
        self._joined.add(container)
        self._add(container, Endpoint(datagram=datagram, stream=stream))

    def leave(self, containers: set[str]) -> None:
        """Let go of containers' namespaces: a socket keeps its own alive, with all that is in it."""
        self._close(containers & self._joined)
        self._joined -= containers

    def _open(self, gateway: str, port: int) -> None:
        datagram = _bind(socket.SOCK_DGRAM, gateway, port)
        try:
            stream = _bind(socket.SOCK_STREAM, gateway, port)
        except OSError:
            datagram.close()
            raise
        self._add(gateway, Endpoint(datagram=datagram, stream=stream))

    def _add(self, gateway: str, endpoint: Endpoint) -> None:
        datagram, stream = endpoint.datagram, endpoint.stream
        self._endpoints[gateway] = endpoint
        self._loop.watch(datagram, lambda _: self._receive(gateway, datagram))
        self._loop.watch(stream, lambda _: self._accept(gateway, stream))

    def _close(self, gateways: Iterable[str]) -> None:
        for gateway in gateways:
            endpoint = self._endpoints.pop(gateway)
            for each in (endpoint.datagram, endpoint.stream):
                self._loop.forget(each)
                each.close()

    def _receive(self, gateway: str, endpoint: socket.socket) -> None:
        for _ in range(_DATAGRAMS_AT_ONCE):
            try:
                message, sender = endpoint.recvfrom(_DATAGRAM_BYTES)
            except OSError:
                return
            reply = partial(_send, endpoint, sender)
            self._answers.answer(gateway, sender[0], message, stream=False, reply=reply)

    def _accept(self, gateway: str, endpoint: socket.socket) -> None:
        try:
            connection, sender = endpoint.accept()
        except OSError:
            return
        if len(self._conversations) >= _CONVERSATIONS_LIMIT:
            next(iter(self._conversations)).close()
        conversation = Framed(
            self._loop,
            connection,
            head=STREAM_HEAD,
            receive=partial(self._converse, gateway, sender[0]),
            ended=lambda framed: self._conversations.pop(framed, None),
        )
        self._conversations[conversation] = None
        self._loop.call_later(_CLIENT_TIMEOUT_S, partial(self._end_idle, conversation))

    def _converse(self, gateway: str, sender: str, framed: Framed, message: bytes) -> None:
        self._conversations[framed] = self._conversations.pop(framed, None)  # the idlest stay first
        self._answers.answer(gateway, sender, message, stream=True, reply=framed.send)

    def _end_idle(self, conversation: Framed) -> None:
        if not conversation.is_open:
            return
        left_s = conversation.heard_at_s + _CLIENT_TIMEOUT_S - self._loop.now_s()
        if left_s > 0:
            self._loop.call_later(left_s, partial(self._end_idle, conversation))
        else:
            conversation.close()


def _send(endpoint: socket.socket, sender: tuple[str, int], answer: bytes) -> None:
    """Answer by UDP; lost when there is no room, or when the gateway is served no more."""
    with contextlib.suppress(OSError):
        endpoint.sendto(answer, sender)


def _bind(kind: socket.SocketKind, gateway: str, port: int) -> socket.socket:
    """Listen on an address that may not be there yet: the bridge that has it may come later, or come again."""
    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    endpoint = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family is socket.AF_INET6:
            endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            endpoint.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            endpoint.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if kind is socket.SOCK_STREAM:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        endpoint.bind((gateway, port))
        if kind is socket.SOCK_STREAM:
            endpoint.listen()
    except OSError as exc:
        endpoint.close()
        raise OSError(exc.errno, f"{gateway} port {port}: {exc.strerror}") from exc
    return endpoint
