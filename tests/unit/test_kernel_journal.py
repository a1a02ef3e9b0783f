"""Entries of the journal's export format, however they are cut on their way."""

import struct
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.logs.journal import EntryParser
from controller.ports import LogLine, Stream

_TEXTS = st.binary(max_size=40)


def _encode(name: bytes, value: bytes) -> bytes:
    """Write a field as journald does: with its length, where it is no plain text."""
    if b"\n" in value or not value.isascii():
        return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"


def _make_entry(number: int, text: bytes, *, whole: bool, stderr: bool) -> bytes:
    fields = {
        b"__CURSOR": b"c%d" % number,
        b"__REALTIME_TIMESTAMP": b"%d" % number,
        b"PRIORITY": b"3" if stderr else b"6",
        b"MESSAGE": text + b"\n" if whole else text,
    }
    if not whole:
        fields[b"CONTAINER_PARTIAL_MESSAGE"] = b"true"
    return b"".join(_encode(name, value) for name, value in fields.items()) + b"\n"


@given(
    st.lists(st.tuples(_TEXTS.filter(lambda text: not text.endswith(b"\n")), st.booleans(), st.booleans())),
    st.integers(min_value=1, max_value=50),
)
def test_entries_are_whole_however_they_come(
    entries: list[tuple[bytes, bool, bool]], chunk_bytes: int
) -> None:
    data = b"".join(
        _make_entry(number, text, whole=whole, stderr=stderr)
        for number, (text, whole, stderr) in enumerate(entries)
    )
    parser = EntryParser()
    found = [
        entry
        for begin in range(0, len(data), chunk_bytes)
        for entry in parser.feed(data[begin : begin + chunk_bytes])
    ]
    assert [entry.line for entry in found] == [
        LogLine(
            at=datetime.fromtimestamp(0, UTC).replace(microsecond=number),
            stream=Stream.STDERR if stderr else Stream.STDOUT,
            data=text + b"\n" if whole else text,
        )
        for number, (text, whole, stderr) in enumerate(entries)
    ]
    assert [entry.go_on() for entry in found] == [
        (f"--after-cursor=c{number}",) for number in range(len(entries))
    ]


def test_other_entries_are_left_out() -> None:
    data = b"__CURSOR=a\nPRIORITY=6\n\n" + _make_entry(1, b"x", whole=True, stderr=False)
    assert [entry.line.data for entry in EntryParser().feed(data)] == [b"x\n"]
