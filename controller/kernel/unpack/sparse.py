"""Maps of files with holes: GNU's own entry type, and its pax formats 0.0, 0.1 and 1.0 (GNU tar manual, Sparse Formats)."""

from controller.kernel.unpack.entry import Entry, parse_decimal, parse_number
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.window import Window

MAP = b"GNU.sparse.map"
REPEATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
"""Format 0.0 repeats these two in turn, which comes to the map of format 0.1."""
MOST_EXTENTS = 1 << 20
_BLOCK_BYTES = 512


def read_extents(entry: Entry, header: bytes, values: dict[bytes, bytes], window: Window) -> None:
    """Set the entry's `size`, `stored` and `extents`; maps that lie before the content are taken from the window."""
    if entry.kind == b"S":
        entry.kind = b"0"
        entry.size = parse_number(header[483:495])
        entry.extents = _read_old(header, window)
    else:
        entry.size = parse_decimal(values.get(b"GNU.sparse.realsize") or values.get(b"GNU.sparse.size", b""))
        entry.name = values.get(b"GNU.sparse.name", entry.name)
        if values.get(b"GNU.sparse.major") == b"1":
            entry.extents, taken = _read_leading(entry.stored, window)
            entry.stored -= taken
        else:
            numbers = [parse_decimal(text) for text in values.get(MAP, b"").split(b",") if text]
            entry.extents = list(zip(numbers[::2], numbers[1::2], strict=False))
    _check(entry)


def _read_old(header: bytes, window: Window) -> list[tuple[int, int]]:
    extents = _list_old(header[386:482])
    more = header[482]
    while more:
        block = window.take(_BLOCK_BYTES)
        extents += _list_old(block[:504])
        more = block[504]
        if len(extents) > MOST_EXTENTS:
            raise Hostile("has a file with more holes than any file needs")
    return extents


def _list_old(table: bytes) -> list[tuple[int, int]]:
    pairs = (table[at : at + 24] for at in range(0, len(table), 24))
    return [(parse_number(pair[:12]), parse_number(pair[12:])) for pair in pairs if pair[0]]


def _read_leading(stored: int, window: Window) -> tuple[list[tuple[int, int]], int]:
    """Return the map of format 1.0 and the bytes it takes: a count, then offsets and lengths, a line each."""
    text = b""
    numbers: list[int] = []
    wanted = 1
    taken = 0
    while len(numbers) < wanted:
        while b"\n" not in text:
            if taken + _BLOCK_BYTES > stored or len(text) > _BLOCK_BYTES:
                raise Hostile("is broken: a file with holes has no map")
            text += window.take(_BLOCK_BYTES)
            taken += _BLOCK_BYTES
        line, _, text = text.partition(b"\n")
        numbers.append(parse_decimal(line))
        if len(numbers) == 1:
            wanted = 1 + 2 * numbers[0]
            if numbers[0] > MOST_EXTENTS:
                raise Hostile("has a file with more holes than any file needs")
    return list(zip(numbers[1::2], numbers[2::2], strict=True)), taken


def _check(entry: Entry) -> None:
    """Refuse a map that goes back, out of the file, or speaks of more or less than is stored."""
    end = 0
    for offset, length in entry.extents or ():
        if offset < end:
            raise Hostile(f"entry {entry.describe()} has a map of holes that overlaps itself")
        end = offset + length
    if end > entry.size or sum(length for _, length in entry.extents or ()) != entry.stored:
        raise Hostile(f"entry {entry.describe()} has a map of holes that is not the file's")
