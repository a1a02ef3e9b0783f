"""An entry of a tar archive, and how numbers are written in headers."""

from dataclasses import dataclass, field

from controller.kernel.unpack.refusal import Hostile


@dataclass(slots=True)
class Entry:
    """One entry. `size` counts the file's bytes, `stored` those in the archive; they differ where `holes` are.

    `kind` is the type flag of the header: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 fifo.
    `extents` are the (offset, length) of what is stored, None for a file without holes.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    mtime_ns: int
    link: bytes
    device: tuple[int, int]
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    extents: list[tuple[int, int]] | None = None

    def describe(self) -> str:
        """Return the name as it may be shown to a person."""
        shown = self.name.decode(errors="backslashreplace")
        return repr(shown if len(shown) <= 200 else f"{shown[:200]}...")


def parse_number(text: bytes) -> int:
    """Return a number of a header: octal digits, or binary with the highest bit set (GNU)."""
    if text[0] & 0x80:
        number = int.from_bytes(text, "big", signed=False)
        bits = 8 * len(text)
        return number - (1 << bits) if text[0] & 0x40 else number - (1 << (bits - 1))
    digits = text.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not digits.isdigit():
        raise Hostile("is no tar archive, or is broken: a header has no number where one belongs")
    try:
        return int(digits, 8)
    except ValueError as error:
        raise Hostile("is no tar archive, or is broken: a header has no octal number") from error


def parse_decimal(text: bytes) -> int:
    """Return a decimal number of an extended header."""
    if not text.isdigit() or len(text) > 20:
        raise Hostile("is broken: an extended header has no number where one belongs")
    return int(text)
