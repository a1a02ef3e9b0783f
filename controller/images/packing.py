"""How an archive is packed, as its first bytes tell."""

from pathlib import Path

from controller.errors import Invalid

_MAGIC_BYTES = 6
_LAYER_SUFFIXES = ((b"\x1f\x8b", "+gzip"), (b"\x28\xb5\x2f\xfd", "+zstd"))
BZIP2 = b"BZh"
XZ = b"\xfd7zXZ\0"


def read_magic(path: Path) -> bytes:
    """Return the first bytes of a file; blocks."""
    with path.open("rb") as file:
        return file.read(_MAGIC_BYTES)


def derive_suffix(magic: bytes) -> str:
    """Return what the media type of a layer ends in; Invalid where there is no such type."""
    if magic.startswith((BZIP2, XZ)):
        raise Invalid("bzip2 and xz are no packings that layers can have")
    return next((suffix for start, suffix in _LAYER_SUFFIXES if magic.startswith(start)), "")
