"""A stream of blocks, read in the portions that a format asks for."""

from collections.abc import Iterator

from controller.kernel.unpack.refusal import Hostile


class Window:
    """Hands out what `blocks` yields; slices are taken without copying where one block has all of it."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes; Hostile when the stream ends before."""
        end = self._at + size
        if end <= len(self._block):
            data = self._block[self._at : end]
            self._at = end
            return data
        return b"".join(bytes(piece) for piece in self.pieces(size))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield exactly `size` bytes as they come; Hostile when the stream ends before."""
        while size:
            if self._at == len(self._block) and not self._advance():
                raise Hostile("is cut off in the middle of an entry: get it again")
            piece = memoryview(self._block)[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        if self._at + size <= len(self._block):
            self._at += size
            return
        for _ in self.pieces(size):
            pass

    def at_end(self) -> bool:
        """Tell whether nothing follows."""
        return self._at == len(self._block) and not self._advance()

    def drain(self) -> bool:
        """Read to the end and tell whether there was nothing but zeros."""
        empty = True
        while not self.at_end():
            empty = empty and not self._block[self._at :].strip(b"\0")
            self._at = len(self._block)
        return empty

    def _advance(self) -> bool:
        self._block = next(self._blocks, b"")
        self._at = 0
        return bool(self._block)
