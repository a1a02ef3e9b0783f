"""Messages over stream sockets, each after its length; small, for the name server's process."""

import socket
import struct
from collections.abc import Callable

from controller.kernel.names.dns_loop import READ, WRITE, Loop

_CHUNK_BYTES = 65536
_UNSENT_LIMIT_BYTES = 256 * 1024


class Framed:
    """A stream socket as a sequence of messages, without blocking; closes itself when the other side ends.

    `receive` is called with each message, `ended` once, however it ends. Whoever does not read what is sent is heard no
    further until then.
    """

    def __init__(
        self,
        loop: Loop,
        endpoint: socket.socket,
        *,
        head: struct.Struct,
        receive: Callable[["Framed", bytes], None],
        ended: Callable[["Framed"], None],
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._head = head
        self._receive = receive
        self._ended = ended
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._open = True
        self.heard_at_s = loop.now_s()
        endpoint.settimeout(0)
        loop.watch(endpoint, self._serve)

    @property
    def is_open(self) -> bool:
        return self._open

    def send(self, message: bytes) -> None:
        """Send a message as soon as it can go."""
        if self._open:
            self._outbox += self._head.pack(len(message)) + message
            self._flush()

    def close(self) -> None:
        """End it; nothing when it has ended."""
        if self._open:
            self._open = False
            self._loop.forget(self._endpoint)
            self._endpoint.close()
            self._ended(self)

    def _serve(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and self._open:
            self._hear()

    def _hear(self) -> None:
        try:
            chunk = self._endpoint.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return
        self.heard_at_s = self._loop.now_s()
        self._inbox += chunk
        self._take_messages()

    def _take_messages(self) -> None:
        while self._open and len(self._inbox) >= self._head.size:
            end = self._head.size + self._head.unpack_from(self._inbox)[0]
            if len(self._inbox) < end:
                return
            message = bytes(self._inbox[self._head.size : end])
            del self._inbox[:end]
            self._receive(self, message)

    def _flush(self) -> None:
        try:
            while self._outbox:
                del self._outbox[: self._endpoint.send(self._outbox)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        events = READ if len(self._outbox) < _UNSENT_LIMIT_BYTES else 0
        self._loop.watch(self._endpoint, self._serve, events | (WRITE if self._outbox else 0))
