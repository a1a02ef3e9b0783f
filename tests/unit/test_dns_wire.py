"""Questions and answers on the wire: what is understood, what fits, and that nothing that comes does harm."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.names import dns
from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.dns_upstream import read_resolvers
from controller.kernel.names.name_server_answers import Answers

GATEWAY, WEB = "10.77.0.1", "10.77.0.2"
CHANGE = {
    "networks": {
        "n": {"name": "shop", "gateways": [GATEWAY, "fd00::1"], "subnets": ["10.77.0.0/24"], "internal": True}
    },
    "hosts": [["n", "w", {"addresses": [WEB, "fd00::2"], "names": ["web", "www"], "upstreams": []}]],
}
EDNS_4096 = b"\0" + struct.pack("!HHIH", dns.TYPE_OPT, 4096, 0, 0)


def ask(name: str, kind: int = dns.TYPE_A, *, extension: bytes = b"", cls: int = dns.CLASS_IN) -> bytes:
    """Return a question on the wire."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split(".") if each)
    header = dns.HEADER.pack(0x1234, 0x0100, 1, 0, 0, 1 if extension else 0)
    return header + labels + b"\0" + struct.pack("!HH", kind, cls) + extension


def answer(message: bytes, *, stream: bool = False, sender: str = WEB) -> bytes | None:
    """Return what the server answers, None when it does not."""
    answers = Answers(Loop(), "/dev/null")
    answers.catalogue.apply(CHANGE)
    replies: list[bytes] = []
    answers.answer(GATEWAY, sender, message, stream=stream, reply=replies.append)
    return replies[0] if replies else None


def read(message: bytes | None) -> tuple[int, list[bytes]]:
    """Return the response code and the data of the answer's records."""
    assert message is not None
    _, flags, _, count, _, _ = dns.HEADER.unpack_from(message)
    offset = message.index(b"\0", dns.HEADER.size) + 5
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from("!H", message, offset + 10)
        found.append(message[offset + 12 : offset + 12 + size])
        offset += 12 + size
    return flags & 0xF, found


@pytest.mark.parametrize(
    ("name", "kind", "code", "records"),
    [
        ("web", dns.TYPE_A, dns.NO_ERROR, [dns.pack_address(WEB)]),
        ("WeB", dns.TYPE_A, dns.NO_ERROR, [dns.pack_address(WEB)]),
        ("web.shop", dns.TYPE_A, dns.NO_ERROR, [dns.pack_address(WEB)]),
        ("www", dns.TYPE_AAAA, dns.NO_ERROR, [dns.pack_address("fd00::2")]),
        ("web", dns.TYPE_ANY, dns.NO_ERROR, [dns.pack_address(WEB), dns.pack_address("fd00::2")]),
        ("web", 15, dns.NO_ERROR, []),
        ("2.0.77.10.in-addr.arpa", dns.TYPE_PTR, dns.NO_ERROR, [b"\x03web\0"]),
        ("9.0.77.10.in-addr.arpa", dns.TYPE_PTR, dns.NAME_ERROR, []),
        ("2.0.0.0" + ".0" * 25 + ".0.d.f.ip6.arpa", dns.TYPE_PTR, dns.NO_ERROR, [b"\x03web\0"]),
        ("nobody", dns.TYPE_A, dns.NAME_ERROR, []),
        ("example.org", dns.TYPE_A, dns.REFUSED, []),
        ("", dns.TYPE_NS, dns.REFUSED, []),
    ],
)
def test_questions_have_one_answer(name: str, kind: int, code: int, records: list[bytes]) -> None:
    for stream in (False, True):
        assert read(answer(ask(name, kind), stream=stream)) == (code, records)


def test_the_question_comes_back_as_it_was_written() -> None:
    reply = answer(ask("WeB"))
    assert reply is not None
    assert reply[:2] == b"\x12\x34"
    assert b"\x03WeB\0" in reply


def test_other_classes_and_versions_are_told_so() -> None:
    assert read(answer(ask("web", cls=3)))[0] == dns.NOT_IMPLEMENTED
    version_1 = b"\0" + struct.pack("!HHIH", dns.TYPE_OPT, 4096, 1 << 16, 0)
    reply = answer(ask("web", extension=version_1))
    assert reply is not None
    assert reply.endswith(b"\0" + struct.pack("!HHIH", dns.TYPE_OPT, dns.OWN_LIMIT_BYTES, 1 << 24, 0))


@given(st.integers(0, 200), st.integers(0, 65535), st.booleans())
def test_an_answer_has_as_many_records_as_the_asker_takes(count: int, size: int, stream: bool) -> None:
    extension = b"\0" + struct.pack("!HHIH", dns.TYPE_OPT, size, 0, 0)
    question = dns.parse_question(ask("web", extension=extension))
    assert question is not None
    limit_bytes = dns.STREAM_LIMIT_BYTES if stream else question.limit_bytes
    records = [(dns.TYPE_A, struct.pack("!I", number)) for number in range(count)]
    reply = dns.render_answer(question, records, limit_bytes=limit_bytes)
    found = read(reply)[1]
    assert len(reply) <= limit_bytes <= max(dns.STREAM_LIMIT_BYTES, size)
    assert found == [data for _, data in records[: len(found)]]
    whole = len(found) == count
    assert whole != bool(struct.unpack_from("!H", reply, 2)[0] & 0x0200)
    assert whole or len(reply) + 16 > limit_bytes


@given(st.binary(max_size=600))
def test_nothing_that_comes_does_harm(message: bytes) -> None:
    reply = answer(message)
    assert reply is None or reply[:2] == message[:2]


@given(st.data())
def test_nothing_that_was_a_question_does_harm(data: st.DataObject) -> None:
    message = bytearray(ask("web.shop", extension=EDNS_4096))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(2, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(0, len(message)))])
    reply = answer(cut, stream=data.draw(st.booleans()))
    assert reply is None or reply[:2] == cut[:2]


@given(st.text(max_size=80))
def test_a_reverse_name_is_of_one_address_or_of_none(text: str) -> None:
    assert len(dns.parse_reverse(text + ".in-addr.arpa")) in (0, 4)
    assert len(dns.parse_reverse(text + ".ip6.arpa")) in (0, 16)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_an_answer_belongs_to_its_question(junk: bytes, tail: bytes) -> None:
    question = ask("example.org")
    genuine = question[:2] + b"\x81\x80" + question[4:] + tail
    assert dns.is_answer(genuine, question)
    assert not dns.is_answer(question, question)
    assert not dns.is_answer(b"\0\0" + genuine[2:], question)
    assert not dns.is_answer(junk, b"\xff\xff" + question[2:]) or junk[:2] == b"\xff\xff"


def test_what_is_no_resolver_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(
        b"nameserver 192.0.2.1\nnameserver a\x00b\nnameserver localhost\n# nameserver 192.0.2.2\n"
        b"nameserver\nsearch x\nnameserver 2001:db8::1 trailing\nnameserver fe80::1%eth0\nnameserver \xff\n"
        b"nameserver " + b"x" * 300
    )
    assert read_resolvers(str(path)) == ("192.0.2.1", "2001:db8::1", "fe80::1%eth0")
    assert read_resolvers(str(tmp_path / "missing")) == ()
