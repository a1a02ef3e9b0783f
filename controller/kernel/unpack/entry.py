"""An entry of a tar archive, and how numbers are written in headers."""

from controller.kernel.unpack.refusal import Hostile


class Entry:
    """One entry. `size` counts the file's bytes, `stored` those in the archive; they differ where there are holes.

    `kind` is the type flag of the header: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 fifo.
    `extents` are the (offset, length) of what is stored, None for a file without holes.
    (A plain class: importing dataclasses takes a child longer than a small layer.)
    """

    __slots__ = (
        "device",
        "extents",
        "gid",
        "kind",
        "link",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "stored",
        "uid",
        "xattrs",
    )

    def __init__(self, name: bytes, kind: bytes) -> None:
        self.name = name
        self.kind = kind
        self.mode = 0
        self.uid = 0
        self.gid = 0
        self.size = 0
        self.stored = 0
        self.mtime_ns = 0
        self.link = b""
        self.device = (0, 0)
        self.xattrs: dict[bytes, bytes] = {}
        self.extents: list[tuple[int, int]] | None = None

    def describe(self) -> str:
        """Return the name as it may be shown to a person."""
        return _describe(self.name)

    def describe_link(self) -> str:
        """Return where a link leads as it may be shown to a person."""
        return _describe(self.link)


def _describe(name: bytes) -> str:
    shown = name.decode(errors="backslashreplace")
    return repr(shown if len(shown) <= 200 else f"{shown[:200]}...")


def parse_number(text: bytes) -> int:
    """Return a number of a header: octal digits, or binary with the highest bit set (GNU)."""
    digits = text.rstrip(b"\0 ")
    if not digits.isdigit():
        if text[0] & 0x80:
            number = int.from_bytes(text, "big")
            bits = 8 * len(text)
            return number - (1 << bits) if text[0] & 0x40 else number - (1 << (bits - 1))
        digits = digits.partition(b"\0")[0].strip() or b"0"
    if digits.isdigit() and not digits.translate(None, b"01234567"):
        return int(digits, 8)
    raise Hostile("is no tar archive, or is broken: a header has no octal number where one belongs")


def parse_decimal(text: bytes) -> int:
    """Return a decimal number of an extended header."""
    if not text.isdigit() or len(text) > 20:
        raise Hostile("is broken: an extended header has no number where one belongs")
    return int(text)
