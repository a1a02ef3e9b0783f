"""Questions and answers of the domain name system on the wire (RFC 1035, 6891); small, for the name server's process."""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

TYPE_A, TYPE_NS, TYPE_PTR, TYPE_AAAA, TYPE_OPT, TYPE_ANY = 1, 2, 12, 28, 41, 255
CLASS_IN, CLASS_ANY = 1, 255
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED, REFUSED = 0, 1, 2, 3, 4, 5
BAD_VERSION = 16
UDP_LIMIT_BYTES = 512
STREAM_LIMIT_BYTES = 65535
OWN_LIMIT_BYTES = 1232
"""As much as goes by UDP without being cut into fragments (dnsflagday.net/2020)."""

HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED = 0x8000, 0x0400, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0100, 0x0080
_OPCODE_MASK, _CODE_MASK = 0x7800, 0xF
_NAME_POINTER = b"\xc0\x0c"
_TTL_S = 1
_LABEL_LIMIT_BYTES, _NAME_LIMIT_BYTES = 63, 255
_REVERSE, _REVERSE_IPV6 = ".in-addr.arpa", ".ip6.arpa"
_NIBBLES = 32

Record = tuple[int, bytes]
"""Type and data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked: a name in lower case without final dot, its type and class; `wire` has it as it came.

    `limit_bytes` is how much the asker takes by UDP; `extended` tells that it knows EDNS, of version `version`.
    """

    id: int
    flags: int
    name: str
    type: int
    cls: int
    wire: bytes
    limit_bytes: int = UDP_LIMIT_BYTES
    extended: bool = False
    version: int = 0

    @property
    def is_query(self) -> bool:
        """Tell whether it asks for records of the internet, and no more than that."""
        return not self.flags & _OPCODE_MASK and self.cls in (CLASS_IN, CLASS_ANY)

    @property
    def reverse_address(self) -> bytes:
        """The address whose name is asked for, packed; empty when something else is asked for."""
        return parse_reverse(self.name) if self.type in (TYPE_PTR, TYPE_ANY) else b""


def parse_question(message: bytes) -> Question | None:
    """Return the one question of a message, None when the message is not one that can be understood."""
    if len(message) < HEADER.size:
        return None
    id_, flags, questions, answers, authorities, additional = HEADER.unpack_from(message)
    if questions != 1 or flags & _RESPONSE:
        return None
    labels, offset = [], HEADER.size
    while offset < len(message) and (length := message[offset]):
        if length > _LABEL_LIMIT_BYTES:
            return None
        labels.append(message[offset + 1 : offset + 1 + length])
        offset += 1 + length
    end = offset + 5
    if end > len(message) or offset + 1 - HEADER.size > _NAME_LIMIT_BYTES:
        return None
    type_, cls = struct.unpack_from("!HH", message, offset + 1)
    plain = answers == authorities == 0 and additional > 0
    size, version, extended = _parse_extension(message, end) if plain else (UDP_LIMIT_BYTES, 0, False)
    return Question(
        id=id_,
        flags=flags,
        name=b".".join(labels).decode("ascii", errors="replace").lower(),
        type=type_,
        cls=cls,
        wire=message[HEADER.size : end],
        limit_bytes=max(UDP_LIMIT_BYTES, min(size, OWN_LIMIT_BYTES)),
        extended=extended,
        version=version,
    )


def _parse_extension(message: bytes, offset: int) -> tuple[int, int, bool]:
    """Return the size, the version, and whether there is an OPT record at all (RFC 6891, 6.1)."""
    if len(message) < offset + 1 + _RECORD.size or message[offset]:
        return UDP_LIMIT_BYTES, 0, False
    kind, size, flags, _ = _RECORD.unpack_from(message, offset + 1)
    if kind != TYPE_OPT:
        return UDP_LIMIT_BYTES, 0, False
    return size, flags >> 16 & 0xFF, True


def parse_reverse(name: str) -> bytes:
    """Return the address that a name such as 2.0.77.10.in-addr.arpa is for, packed; empty when it is for none."""
    if name.endswith(_REVERSE):
        parts = name.removesuffix(_REVERSE).split(".")
        numbers = [int(each) for each in parts if each.isdecimal() and each.isascii() and len(each) <= 3]
        whole = len(parts) == len(numbers) == 4 and max(numbers) < 256
        return bytes(reversed(numbers)) if whole else b""
    if name.endswith(_REVERSE_IPV6):
        nibbles = name.removesuffix(_REVERSE_IPV6).split(".")
        if len(nibbles) == _NIBBLES and all(
            len(each) == 1 and each in "0123456789abcdef" for each in nibbles
        ):
            return bytes.fromhex("".join(reversed(nibbles)))
    return b""


def pack_address(text: str) -> bytes:
    """Return an address of either family as records have it; OSError when it is none."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pack_name(name: str) -> bytes:
    """Return a name as records have it; ValueError when it can't be one."""
    labels = [label.encode("ascii") for label in name.split(".")]
    if not all(0 < len(label) <= _LABEL_LIMIT_BYTES for label in labels):
        raise ValueError(f"{name!r} can't be a name of the domain name system")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def render_answer(
    question: Question, records: Sequence[Record] = (), *, limit_bytes: int, code: int = NO_ERROR
) -> bytes:
    """Return the answer; of records no more than fit into `limit_bytes`, marked so that the asker comes by TCP."""
    extension = _render_extension(code) if question.extended else b""
    room_bytes = limit_bytes - HEADER.size - len(question.wire) - len(extension)
    parts: list[bytes] = []
    for kind, data in records:
        room_bytes -= len(_NAME_POINTER) + _RECORD.size + len(data)
        if room_bytes < 0:
            break
        parts.append(_NAME_POINTER + _RECORD.pack(kind, CLASS_IN, _TTL_S, len(data)) + data)
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | code & _CODE_MASK
    flags |= question.flags & (_RECURSION_DESIRED | _OPCODE_MASK)
    if len(parts) < len(records):
        flags |= _TRUNCATED
    header = HEADER.pack(question.id, flags, 1, len(parts), 0, 1 if extension else 0)
    return b"".join([header, question.wire, *parts, extension])


def _render_extension(code: int) -> bytes:
    return b"\0" + _RECORD.pack(TYPE_OPT, OWN_LIMIT_BYTES, code >> 4 << 24, 0)


def render_format_error(message: bytes) -> bytes | None:
    """Return the answer to a message that can't be understood, None to one that wants no answer."""
    if len(message) < HEADER.size:
        return None
    id_, flags, *_ = HEADER.unpack_from(message)
    if flags & _RESPONSE:
        return None
    return HEADER.pack(id_, _RESPONSE | flags & _OPCODE_MASK | FORMAT_ERROR, 0, 0, 0, 0)


def is_answer(message: bytes, question: bytes) -> bool:
    """Tell whether a message answers a question that was sent."""
    if len(message) < HEADER.size or message[:2] != question[:2] or not message[2] & _RESPONSE >> 8:
        return False
    asked = parse_question(question)
    wire = asked.wire if asked is not None else b""
    echoed = message[HEADER.size : HEADER.size + len(wire)]
    return message[4:6] == b"\0\0" or echoed.lower() == wire.lower()


def read_code(answer: bytes) -> int:
    """Return the response code of what `is_answer` knows as one."""
    return answer[3] & _CODE_MASK


def has_failed(answer: bytes) -> bool:
    """Tell whether a resolver could not answer, so that another one might."""
    return read_code(answer) in (SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED)
