"""From packed bytes to blocks of plain ones: decompression and digest, each in a thread beside the extractor's.

Decompression, hashing and system calls let go of Python's lock, so that the three overlap.
"""

import bz2
import hashlib
import io
import lzma
import queue
import threading
from collections.abc import Callable, Iterator
from typing import IO, cast

from controller.kernel.unpack.refusal import Hostile

BLOCK_BYTES = 1 << 18
MOST_EXPANSION = 250
"""Whatever unpacks to more than this many times its packed size, and to more than LEAST_BOMB_BYTES, is a bomb."""
LEAST_BOMB_BYTES = 1 << 30
_MOST_WINDOW_BYTES = 1 << 27
"""Memory that a zstd frame may ask for; what the program zstd allows without being told."""
_BLOCKS_AHEAD = 8
NO_ARCHIVE = "is not a plain, gzip, zstd, bzip2 or xz tar archive, or is broken"


class Source:
    """The packed stream of a file, and what unpacks it, told by the first bytes; libraries are loaded as needed."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._count_bytes = 0
        self._errors: tuple[type[Exception], ...] = (EOFError, ValueError, lzma.LZMAError)
        self._plain = self._open_plain()

    def read(self, size: int = -1) -> bytes:
        """Return what is there, `size` bytes at most, empty at the end: for the libraries."""
        data = self._file.read1(size)
        self._count_bytes += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer with what is there, as `read` does."""
        count = self._file.readinto1(buffer)
        self._count_bytes += count
        return count

    def _open_plain(self) -> "IO[bytes] | Source":
        packed = cast("IO[bytes]", self)
        magic = self._file.peek(6)[:6]
        if magic.startswith(b"\x1f\x8b"):
            from isal import igzip, isal_zlib  # noqa: PLC0415

            self._errors = (*self._errors, igzip.BadGzipFile, cast("type[Exception]", isal_zlib.error))
            opened: Callable[..., IO[bytes]] = igzip.open
            return opened(packed, "rb")
        if magic.startswith(b"\x28\xb5\x2f\xfd"):
            import zstandard  # noqa: PLC0415

            self._errors = (*self._errors, zstandard.ZstdError)
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
            return cast("IO[bytes]", decompressor.stream_reader(packed, read_across_frames=True))
        if magic.startswith(b"BZh"):
            return bz2.BZ2File(packed)
        if magic.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMAFile(packed)
        return self

    def read_plain(self, most_bytes: int, *, expansive: bool = False) -> Iterator[bytes]:
        """Yield the plain stream in blocks; Hostile when it is broken, grows too large, or out of all proportion.

        An `expansive` one may do that.
        """
        count_bytes = 0
        while block := self._read_block():
            count_bytes += len(block)
            if count_bytes > most_bytes:
                raise Hostile(f"unpacks to more than the {most_bytes:,} bytes that --layer-max-size allows")
            if not expansive and count_bytes > max(LEAST_BOMB_BYTES, self._count_bytes * MOST_EXPANSION):
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


class Ahead:
    """Iterates over blocks that a thread reads ahead; what it refuses, or the system refuses it, is raised here."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=_BLOCKS_AHEAD)
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
        self._queue: queue.Queue[bytes] = queue.Queue(maxsize=_BLOCKS_AHEAD)
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
