"""Questions and answers of the domain name system on the wire (RFC 1035); small, for the name server's process."""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

TYPE_A, TYPE_NS, TYPE_PTR, TYPE_ANY = 1, 2, 12, 255
CLASS_IN = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = 0, 1, 2, 3, 4, 5
UDP_LIMIT_BYTES = 512

_HEADER = struct.Struct("!HHHHHH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = (
    0x8000,
    0x0400,
    0x0200,
    0x0100,
    0x0080,
)
_OPCODE_MASK = 0x7800
_NAME_POINTER = b"\xc0\x0c"
_TTL_S = 1
_REVERSE = ".in-addr.arpa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked: a name in lower case without final dot, and its type and class."""

    id: int
    flags: int
    name: str
    type: int
    cls: int
    wire: bytes

    @property
    def reverse_address(self) -> str:
        """The IPv4 address whose name is asked for, empty when something else is asked for."""
        if self.type != TYPE_PTR or not self.name.endswith(_REVERSE):
            return ""
        return ".".join(reversed(self.name.removesuffix(_REVERSE).split(".")))

    @property
    def is_query(self) -> bool:
        return not self.flags & (_RESPONSE | _OPCODE_MASK)


def parse_question(message: bytes) -> Question | None:
    """Return the one question of a message, None when the message is not one that can be answered."""
    if len(message) < _HEADER.size:
        return None
    id_, flags, questions, *_ = _HEADER.unpack_from(message)
    if questions != 1 or flags & _RESPONSE:
        return None
    labels, offset = [], _HEADER.size
    while offset < len(message) and (length := message[offset]):
        if length > 63:
            return None
        labels.append(message[offset + 1 : offset + 1 + length])
        offset += 1 + length
    end = offset + 5
    if end > len(message):
        return None
    type_, cls = struct.unpack_from("!HH", message, offset + 1)
    name = b".".join(labels).decode("ascii", errors="replace").lower()
    return Question(id=id_, flags=flags, name=name, type=type_, cls=cls, wire=message[_HEADER.size : end])


def render_addresses(question: Question, addresses: Sequence[str]) -> bytes:
    """Return the answer with addresses, or with none to a question for another type of the name."""
    wanted = question.type in (TYPE_A, TYPE_ANY)
    return _render(question, [(TYPE_A, socket.inet_aton(each)) for each in addresses] if wanted else [])


def render_name(question: Question, name: str) -> bytes:
    """Return the answer to a reverse question."""
    labels = [label.encode() for label in name.split(".")]
    return _render(question, [(TYPE_PTR, b"".join(bytes([len(each)]) + each for each in labels) + b"\0")])


def render_failure(question: Question, code: int) -> bytes:
    """Return an answer without records, with a response code."""
    return _render(question, [], code=code)


def truncate(answer: bytes, question: Question) -> bytes:
    """Return the answer as it may go by UDP: without records when it is too long, so that the client asks by TCP."""
    if len(answer) <= UDP_LIMIT_BYTES:
        return answer
    flags = struct.unpack_from("!H", answer, 2)[0] | _TRUNCATED
    return _HEADER.pack(question.id, flags, 1, 0, 0, 0) + question.wire


def _render(question: Question, records: Sequence[tuple[int, bytes]], *, code: int = NO_ERROR) -> bytes:
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | (question.flags & _RECURSION_DESIRED) | code
    parts = [_HEADER.pack(question.id, flags, 1, len(records), 0, 0), question.wire]
    for kind, data in records:
        parts.append(_NAME_POINTER + struct.pack("!HHIH", kind, CLASS_IN, _TTL_S, len(data)) + data)
    return b"".join(parts)
