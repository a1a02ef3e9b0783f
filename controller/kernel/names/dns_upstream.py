"""Asking resolvers on behalf of containers; small, for the name server's process.

A resolver that refuses or can't be reached makes the next one be asked at once, a silent one after a second, and both
are listened to. One that was silent is asked after the others for a while.
"""

import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from controller.kernel.names import dns
from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.dns_streams import Framed

STREAM_HEAD = struct.Struct("!H")
_PORT = 53
_PATIENCE_S = 1.0
_LAST_PATIENCE_S = 2.5
"""How long the last one is waited for; most askers wait for five seconds."""
_SHUNNED_S = 30.0
_INQUIRIES_LIMIT = 4096

Hear = Callable[[bytes | None], None]
"""Takes an answer, None when there is none."""


def read_resolvers(path: str) -> tuple[str, ...]:
    """Return the resolvers of a resolv.conf in order, none when it is missing; what is no address is left out."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return ()
    fields = (line.split() for line in lines)
    named = (each[1] for each in fields if len(each) > 1 and each[0] == "nameserver")
    return tuple(address for address in named if _is_address(address))


def _is_address(text: str) -> bool:
    """Tell whether a text is an address, maybe with the link that it is reached by."""
    try:
        dns.pack_address(text.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


class Forwarder:
    """Carries questions to resolvers and answers back, many at a time."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._silent_until_s: dict[str, float] = {}
        self._inquiries: set[Inquiry] = set()

    def ask(self, message: bytes, resolvers: tuple[str, ...], *, stream: bool, answer: Hear) -> None:
        """Call `answer` once with the first good answer, else with the last bad one, or None when there is none."""
        if len(self._inquiries) >= _INQUIRIES_LIMIT:
            answer(None)
            return
        now_s = self._loop.now_s()
        ordered = sorted(resolvers, key=lambda each: self._silent_until_s.get(each, 0.0) > now_s)

        def end(message: bytes | None) -> None:
            self._inquiries.discard(inquiry)
            answer(message)

        inquiry = Inquiry(self._loop, message, iter(ordered), stream=stream, end=end, tell=self._rate)
        self._inquiries.add(inquiry)
        inquiry.go_on()

    def _rate(self, resolver: str, *, silent: bool) -> None:
        if silent:
            self._silent_until_s[resolver] = self._loop.now_s() + _SHUNNED_S
        else:
            self._silent_until_s.pop(resolver, None)


class Inquiry:
    """One question and those who are asked it."""

    def __init__(
        self,
        loop: Loop,
        message: bytes,
        resolvers: Iterator[str],
        *,
        stream: bool,
        end: Hear,
        tell: Callable[..., None],
    ) -> None:
        self._loop = loop
        self._message = message
        self._resolvers = resolvers
        self._stream = stream
        self._end = end
        self._tell = tell
        self._exchanges: dict[str, Exchange] = {}
        self._fallback: bytes | None = None
        self._over = False

    def go_on(self) -> None:
        """Ask the next one; end when there is nobody left to ask or to wait for."""
        for resolver in self._resolvers:
            exchange = (StreamExchange if self._stream else DatagramExchange)(self._loop, self._message)
            if exchange.begin(resolver, partial(self._hear, resolver)):
                self._exchanges[resolver] = exchange
                self._loop.call_later(_PATIENCE_S, partial(self._lose_patience, resolver))
                return
        if not self._exchanges:
            self._finish(self._fallback)

    def _hear(self, resolver: str, answer: bytes | None) -> None:
        self._exchanges.pop(resolver).close()
        if answer is not None:
            self._tell(resolver, silent=False)
            if not dns.has_failed(answer):
                self._finish(answer)
                return
            self._fallback = answer
        self.go_on()

    def _lose_patience(self, resolver: str) -> None:
        if self._over or resolver not in self._exchanges:
            return
        self._tell(resolver, silent=True)
        self.go_on()
        if not self._over:
            self._loop.call_later(_LAST_PATIENCE_S - _PATIENCE_S, partial(self._give_up, resolver))

    def _give_up(self, resolver: str) -> None:
        exchange = None if self._over else self._exchanges.pop(resolver, None)
        if exchange is not None:
            exchange.close()
            self.go_on()

    def _finish(self, answer: bytes | None) -> None:
        if self._over:
            return
        self._over = True
        for exchange in self._exchanges.values():
            exchange.close()
        self._exchanges.clear()
        self._end(answer)


class Exchange(ABC):
    """A question to one resolver; what comes back has the asker's own number again."""

    def __init__(self, loop: Loop, message: bytes) -> None:
        self._loop = loop
        self._id = message[:2]
        self._question = os.urandom(2) + message[2:]

    @abstractmethod
    def begin(self, resolver: str, hear: Hear) -> bool:
        """Send the question, and call `hear` later with the answer, or None when none can come; False when it can't go."""

    @abstractmethod
    def close(self) -> None:
        """Wait no longer."""


class DatagramExchange(Exchange):
    """By UDP, from a port of its own."""

    def begin(self, resolver: str, hear: Hear) -> bool:
        endpoint = _connect(resolver, socket.SOCK_DGRAM)
        if endpoint is None:
            return False
        self._endpoint = endpoint
        try:
            endpoint.send(self._question)
        except OSError:
            endpoint.close()
            return False
        self._loop.watch(endpoint, lambda _: self._read(hear))
        return True

    def _read(self, hear: Hear) -> None:
        try:
            answer = self._endpoint.recv(dns.STREAM_LIMIT_BYTES)
        except BlockingIOError:
            return
        except OSError:
            hear(None)
            return
        if dns.is_answer(answer, self._question):
            hear(self._id + answer[2:])

    def close(self) -> None:
        self._loop.forget(self._endpoint)
        self._endpoint.close()


class StreamExchange(Exchange):
    """By TCP."""

    _hear: Hear | None = None

    def begin(self, resolver: str, hear: Hear) -> bool:
        endpoint = _connect(resolver, socket.SOCK_STREAM)
        if endpoint is None:
            return False
        self._framed = Framed(
            self._loop, endpoint, head=STREAM_HEAD, receive=self._receive, ended=lambda _: self._tell(None)
        )
        self._framed.send(self._question)
        self._hear = hear
        return self._framed.is_open

    def _receive(self, framed: Framed, answer: bytes) -> None:
        del framed
        self._tell(self._id + answer[2:] if dns.is_answer(answer, self._question) else None)

    def _tell(self, answer: bytes | None) -> None:
        hear, self._hear = self._hear, None
        if hear is not None:
            hear(answer)

    def close(self) -> None:
        self._hear = None
        self._framed.close()


def _connect(resolver: str, kind: socket.SocketKind) -> socket.socket | None:
    """Return a socket that is connected to a resolver, or on its way, None when there is no way."""
    endpoint = None
    try:
        family = socket.AF_INET6 if ":" in resolver else socket.AF_INET
        endpoint = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        endpoint.connect((resolver, _PORT))
    except BlockingIOError:
        pass
    except OSError:
        if endpoint is not None:
            endpoint.close()
        return None
    return endpoint
