"""Netlink sockets and the attribute codec, as far as links, addresses, routes and rule events need them.

A batch is one sendmsg(2): the kernel carries out all its messages before the call returns, so the end of this
process can't leave half a batch behind. Errors are OSError with the kernel's errno.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE_BYTES = 256 << 10
_MONITOR_BUFFER_BYTES = 4 << 20
_ANSWER_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message without its header's length, sequence and port."""

    kind: int
    flags: int = 0
    body: bytes = b""


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def text_attribute(kind: int, value: str) -> bytes:
    """Return an attribute with a text, ended by NUL."""
    return attribute(kind, value.encode() + b"\0")


def number_attribute(kind: int, value: int) -> bytes:
    """Return an attribute with 32 bits in the machine's order."""
    return attribute(kind, struct.pack("=I", value))


def nested_attribute(kind: int, *inner: bytes) -> bytes:
    """Return an attribute that holds others."""
    return attribute(kind | NLA_F_NESTED, b"".join(inner))


def parse_attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return attributes by kind; of a repeated kind the last."""
    found: dict[int, bytes] = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NLA_TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def parse_text(value: bytes | None) -> str:
    """Return the text of an attribute, empty when it is missing."""
    return value.rstrip(b"\0").decode(errors="replace") if value is not None else ""


def parse_number(value: bytes | None) -> int:
    """Return the number of an attribute in the machine's order, 0 when it is missing."""
    return int.from_bytes(value, "little" if struct.pack("=H", 1)[0] else "big") if value else 0


def parse_messages(data: bytes) -> Iterator[tuple[int, int, Message]]:
    """Yield (sequence, port, message) for each message in a datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        body = data[offset + _HEADER.size : offset + length]
        yield sequence, port, Message(kind=kind, flags=flags, body=body)
        offset += (length + 3) & ~3


class Netlink:
    """A socket for requests, in the network namespace of the thread that makes it; for one thread at a time."""

    def __init__(self, protocol: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        if protocol == NETLINK_ROUTE:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._socket.bind((0, 0))
        self._socket.settimeout(_ANSWER_TIMEOUT_S)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, messages: Sequence[Message]) -> list[int]:
        """Carry out a batch to its end; return each message's errno, 0 for success, in order."""
        first = self._sequence + 1
        parts = []
        for message in messages:
            self._sequence += 1
            flags = message.flags | NLM_F_REQUEST | NLM_F_ACK
            size = _HEADER.size + len(message.body)
            parts.append(_HEADER.pack(size, message.kind, flags, self._sequence, 0) + message.body)
            parts.append(b"\0" * (-size % 4))
        self._socket.send(b"".join(parts))
        results: dict[int, int] = {}
        while len(results) < len(messages):
            for sequence, _, answer in parse_messages(self._socket.recv(_RECEIVE_BYTES)):
                if answer.kind == NLMSG_ERROR and sequence >= first:
                    results[sequence] = -struct.unpack_from("=i", answer.body)[0]
        return [results[first + index] for index in range(len(messages))]

    def run(self, *messages: Message, tolerate: frozenset[int] = frozenset()) -> None:
        """Carry out a batch; raise the first error that is not to be tolerated."""
        for number in self.send(messages):
            if number and number not in tolerate:
                raise OSError(number, os.strerror(number))

    def get(self, message: Message) -> Message | None:
        """Return the answer to a request for one object, None when there is no such object (ENODEV, ENOENT)."""
        self._sequence += 1
        size = _HEADER.size + len(message.body)
        flags = message.flags | NLM_F_REQUEST
        self._socket.send(_HEADER.pack(size, message.kind, flags, self._sequence, 0) + message.body)
        while True:
            for sequence, _, answer in parse_messages(self._socket.recv(_RECEIVE_BYTES)):
                if sequence != self._sequence:
                    continue
                if answer.kind != NLMSG_ERROR:
                    return answer
                number = -struct.unpack_from("=i", answer.body)[0]
                if number in (errno.ENODEV, errno.ENOENT):
                    return None
                raise OSError(number, os.strerror(number))

    def dump(self, message: Message) -> list[Message]:
        """Return every answer to a dump request; begins again when the table changed meanwhile."""
        while True:
            answers = self._dump_once(message)
            if answers is not None:
                return answers

    def _dump_once(self, message: Message) -> list[Message] | None:
        self._sequence += 1
        size = _HEADER.size + len(message.body)
        flags = message.flags | NLM_F_REQUEST | NLM_F_DUMP
        self._socket.send(_HEADER.pack(size, message.kind, flags, self._sequence, 0) + message.body)
        answers: list[Message] = []
        whole = True
        while True:
            for sequence, _, answer in parse_messages(self._socket.recv(_RECEIVE_BYTES)):
                if sequence != self._sequence:
                    continue
                whole = whole and not answer.flags & NLM_F_DUMP_INTR
                if answer.kind in (NLMSG_DONE, NLMSG_ERROR):
                    number = -struct.unpack_from("=i", answer.body)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return answers if whole else None
                answers.append(answer)


class Monitor:
    """A socket that hears multicast groups, in the namespace of the thread that makes it; never blocks."""

    def __init__(self, groups: Sequence[int], protocol: int = NETLINK_ROUTE) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MONITOR_BUFFER_BYTES)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """The descriptor, for the event loop."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop hearing."""
        self._socket.close()

    def read(self) -> tuple[list[Message], bool]:
        """Return what was heard since the last call, and whether some of it was lost for want of room."""
        messages: list[Message] = []
        lost = False
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return messages, lost
            except OSError as exc:
                if exc.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            messages.extend(message for _, _, message in parse_messages(data))
