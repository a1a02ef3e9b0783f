"""From packed bytes to blocks of plain ones: decompression and digest, each in a thread beside the extractor's.

Decompression, hashing and system calls let go of Python's lock, so that the three overlap.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator

from controller.kernel.unpack.inputs import TYPE_CHECKING, Packed
from controller.kernel.unpack.refusal import Hostile

if TYPE_CHECKING:
    from typing import IO, Any

BLOCK_BYTES = 1 << 19
"""Few enough for the processor's cache, and so many that changes of threads cost little."""
MOST_EXPANSION = 250
"""Whatever unpacks to more than this many times its packed size, and to more than LEAST_BOMB_BYTES, is a bomb."""
LEAST_BOMB_BYTES = 1 << 30
_MOST_WINDOW_BYTES = 1 << 27
"""Memory that a zstd frame may ask for; what the program zstd allows without being told."""
_BLOCKS_AHEAD = 8
NO_ARCHIVE = "is not a plain, gzip, zstd, bzip2 or xz tar archive, or is broken"


class Source:
    """What unpacks a packed stream, told by its first bytes; libraries are loaded as needed."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._errors: tuple[type[Exception], ...] = (EOFError, ValueError)
        self._plain = self._open_plain(packed.magic)

    def _open_plain(self, magic: bytes) -> "IO[bytes]":
        packed: Any = self._packed
        if magic.startswith(b"\x1f\x8b"):
            from isal import igzip, isal_zlib  # noqa: PLC0415

            open_gzip: Callable[[Any], IO[bytes]] = igzip.open
            other: Any = isal_zlib.error
            self._errors = (*self._errors, igzip.BadGzipFile, other)
            return open_gzip(packed)
        if magic.startswith(b"\x28\xb5\x2f\xfd"):
            import zstandard  # noqa: PLC0415

            self._errors = (*self._errors, zstandard.ZstdError)
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
            open_zstd: Callable[..., Any] = decompressor.stream_reader
            plain: IO[bytes] = open_zstd(packed, read_across_frames=True)
            return plain
        if magic.startswith(b"BZh"):
            import bz2  # noqa: PLC0415

            return bz2.open(packed)
        if magic.startswith(b"\xfd7zXZ\0"):
            import lzma  # noqa: PLC0415

            self._errors = (*self._errors, lzma.LZMAError)
            return lzma.open(packed)
        same: IO[bytes] = packed
        return same

    def read_plain(self, most_bytes: int, *, expansive: bool = False) -> Iterator[bytes]:
        """Yield the plain stream in blocks; Hostile when it is broken, grows too large, or out of all proportion.

        An `expansive` one may do that.
        """
        count_bytes = 0
        while block := self._read_block():
            count_bytes += len(block)
            if count_bytes > most_bytes:
                raise Hostile(f"unpacks to more than the {most_bytes:,} bytes that --layer-max-size allows")
            if not expansive and count_bytes > max(
                LEAST_BOMB_BYTES, self._packed.count_bytes * MOST_EXPANSION
            ):
                raise Hostile(f"unpacks to more than {MOST_EXPANSION} times its size: it looks like a bomb")
            yield block

    def _read_block(self) -> bytes:
        try:
            return self._plain.read(BLOCK_BYTES)
        except self._errors as error:
            raise Hostile(f"{NO_ARCHIVE}: {error}") from error
        except OSError as error:
            if error.errno is None:  # bz2 says so of spoiled data
                raise Hostile(f"{NO_ARCHIVE}: {error}") from error
            raise


class _Queue:
    """A queue of few blocks; unlike `queue.Queue`, it is C's work alone, as each turn of Python's costs both sides."""

    def __init__(self) -> None:
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_BLOCKS_AHEAD):
            self._room.put(None)

    def put(self, block: bytes | None) -> None:
        """Add a block, as soon as there is room."""
        self._room.get()
        self._blocks.put(block)

    def get(self) -> bytes | None:
        """Take the next block, as soon as there is one."""
        block = self._blocks.get()
        self._room.put(None)
        return block


class Ahead:
    """Iterates over blocks that a thread reads ahead; what it refuses, or the system refuses it, is raised here."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._queue = _Queue()
        self._error: Hostile | OSError | MemoryError | None = None
        threading.Thread(target=self._fill, name="decompress", daemon=True).start()

    def _fill(self) -> None:
        try:
            for block in self._blocks:
                self._queue.put(block)
            self._queue.put(b"")
        except (Hostile, OSError, MemoryError) as error:
            self._error = error
        finally:
            self._queue.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while block := self._queue.get():
            yield block
        if block is None:
            raise self._error or Hostile("can't be read to its end")


class Digest:
    """The digest of blocks that pass by, computed in a thread."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._queue = _Queue()
        self._thread = threading.Thread(target=self._consume, name="digest", daemon=True)
        self._thread.start()

    def _consume(self) -> None:
        while block := self._queue.get():
            self._hash.update(block)

    def watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the blocks on."""
        for block in blocks:
            self._queue.put(block)
            yield block

    def finish(self) -> str:
        """Return `sha256:HEX` of all that passed."""
        self._queue.put(b"")
        self._thread.join()
        return f"sha256:{self._hash.hexdigest()}"
