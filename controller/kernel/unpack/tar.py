"""Entries of a tar archive: ustar, pax (POSIX.1-2001) and the GNU format, as tar(5) of libarchive describes them."""

from collections.abc import Iterator
from struct import Struct
from zlib import adler32

from controller.kernel.unpack import sparse
from controller.kernel.unpack.entry import Entry, parse_decimal, parse_number
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.window import Window

BLOCK_BYTES = 512
MOST_METADATA_BYTES = 1 << 20
"""Of one extended header or long name; the same as in Go's archive/tar."""
_ZEROS = bytes(BLOCK_BYTES)
_XATTR = b"SCHILY.xattr."
_FIELDS = Struct("100s8s8s8s12s12s8xc100s6s2x64x8s8s155s")
"""Of a header: name, mode, uid, gid, size, mtime, kind, link, magic, major and minor device number, prefix."""


class TarReader:
    """Iterates over entries. The content of each has to be taken from the window before the next one is asked for.

    `ended` tells, after the last, whether the archive had its end mark (a block of zeros) with nothing behind it.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._global: dict[bytes, bytes] = {}
        self.ended = False

    def __iter__(self) -> Iterator[Entry]:
        extended: dict[bytes, bytes] = {}
        while not self._window.at_end():
            header = self._window.take(BLOCK_BYTES)
            if header == _ZEROS:
                self.ended = self._window.drain()
                return
            check_sum(header)
            match header[156:157]:
                case b"x":
                    extended = {**extended, **parse_records(self._take_metadata(header))}
                case b"g":
                    self._global.update(parse_records(self._take_metadata(header)))
                case b"L":
                    extended[b"path"] = self._take_metadata(header).rstrip(b"\0")
                case b"K":
                    extended[b"linkpath"] = self._take_metadata(header).rstrip(b"\0")
                case _:
                    entry = self._read_entry(header, extended)
                    yield entry
                    self._window.skip(-entry.stored % BLOCK_BYTES)
                    extended = {}
        if extended:
            raise Hostile("is cut off after an extended header: get it again")

    def _take_metadata(self, header: bytes) -> bytes:
        size = parse_number(header[124:136])
        if not 0 <= size <= MOST_METADATA_BYTES:
            raise Hostile(f"has an extended header of {size:,} bytes, more than {MOST_METADATA_BYTES:,}")
        data = self._window.take(size)
        self._window.skip(-size % BLOCK_BYTES)
        return data

    def _read_entry(self, header: bytes, extended: dict[bytes, bytes]) -> Entry:
        entry = parse_header(header)
        values = {**self._global, **extended} if self._global else extended
        if values:
            apply_records(entry, values)
        if entry.kind == b"S" or b"GNU.sparse.realsize" in values or b"GNU.sparse.size" in values:
            sparse.read_extents(entry, header, values, self._window)
        if b"\0" in entry.name or b"\0" in entry.link:
            raise Hostile(f"entry {entry.describe()} has a zero byte in its name")
        if entry.size < 0 or entry.stored < 0:
            raise Hostile(f"entry {entry.describe()} has a negative size")
        return entry


def check_sum(header: bytes) -> None:
    """Refuse a header whose sum is wrong; some programs of old summed signed bytes."""
    field = header[148:156]
    wanted = parse_number(field)
    total = _sum(header[:256]) + _sum(header[256:]) - _sum(field) + 8 * 0x20
    if wanted != total and wanted != total - 256 * sum(byte > 127 for byte in header[:148] + header[156:]):
        raise Hostile("is no tar archive, or is broken: the sum of an entry's header is wrong")


def _sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes: without its own start, that is the lower half of adler32 (RFC 1950)."""
    return adler32(data, 0) & 0xFFFF


def parse_header(header: bytes) -> Entry:
    """Return the entry of a plain header."""
    name, mode, uid, gid, size, mtime, kind, link, magic, major, minor, prefix = _FIELDS.unpack_from(header)
    name = name.partition(b"\0")[0]
    if magic == b"ustar\0" and prefix[0]:
        name = prefix.partition(b"\0")[0] + b"/" + name
    if kind in b"\x007":
        kind = b"5" if name.endswith(b"/") else b"0"
    entry = Entry(name, kind)
    entry.mode = parse_number(mode) & 0o7777
    entry.uid = parse_number(uid)
    entry.gid = parse_number(gid)
    entry.size = parse_number(size)
    entry.stored = entry.size if kind in b"0S" else 0
    entry.mtime_ns = parse_number(mtime) * 1_000_000_000
    entry.link = link.partition(b"\0")[0]
    if kind in b"34":
        entry.device = (parse_number(major), parse_number(minor))
    return entry


def parse_records(data: bytes) -> dict[bytes, bytes]:
    """Return the records of a pax header, `LENGTH KEY=VALUE\\n` each; repeated sparse numbers are joined by commas."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 0:
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or end > len(data) or data[end - 1 : end] != b"\n":
            raise Hostile("is broken: an extended header is none")
        if key in sparse.REPEATED:
            value = b",".join(filter(None, (records.get(sparse.MAP), value)))
            key = sparse.MAP
        records[key] = value
        at = end
    return records


def apply_records(entry: Entry, values: dict[bytes, bytes]) -> None:
    """Overrule what the plain header says."""
    for key, value in values.items():
        if key.startswith(_XATTR):
            entry.xattrs[key[len(_XATTR) :]] = value
    if path := values.get(b"path"):
        entry.name = path
    if link := values.get(b"linkpath"):
        entry.link = link
    for key in (b"uid", b"gid", b"size"):
        if text := values.get(key):
            setattr(entry, key.decode(), parse_decimal(text))
    if b"size" in values and entry.kind in b"0S":
        entry.stored = entry.size
    if mtime := values.get(b"mtime"):
        entry.mtime_ns = parse_time(mtime)


def parse_time(text: bytes) -> int:
    """Return nanoseconds of a time in seconds with decimals; what is finer is cut off."""
    sign = -1 if text.startswith(b"-") else 1
    seconds, _, fraction = text.removeprefix(b"-").partition(b".")
    return sign * (parse_decimal(seconds) * 1_000_000_000 + parse_decimal((fraction + b"000000000")[:9]))
