"""Where the packed bytes come from: a pipe, a file, or a file that others still write to."""

import io
import os

TYPE_CHECKING = False  # importing typing takes a child longer than a small layer
if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC_BYTES = 6
_MOST_NEWS_BYTES = 4096


class GrowingFile(io.RawIOBase):
    """A file that others still write to. A pipe has a byte when there may be more of it, and ends when it is whole."""

    def __init__(self, file_fd: int, news_fd: int) -> None:
        super().__init__()
        self._file_fd = file_fd
        self._news_fd = news_fd
        self._whole = False

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def readinto(self, buffer: "Buffer") -> int:
        """See RawIOBase; waits for more, or the end."""
        while not (count := os.readv(self._file_fd, [buffer])) and not self._whole:
            self._whole = not os.read(self._news_fd, _MOST_NEWS_BYTES)
        return count


class Packed(io.RawIOBase):
    """The bytes of another stream, counted. `magic` are the first ones, which are read all the same."""

    def __init__(self, file: io.RawIOBase) -> None:
        super().__init__()
        self._file = file
        self.count_bytes = 0
        self.magic = b""
        while len(self.magic) < MAGIC_BYTES and (data := file.read(MAGIC_BYTES - len(self.magic))):
            self.magic += data
        self._ahead = self.magic

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def readinto(self, buffer: "Buffer") -> int:
        """See RawIOBase."""
        if self._ahead:
            view = memoryview(buffer)
            count = min(len(view), len(self._ahead))
            view[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
        else:
            count = self._file.readinto(buffer) or 0
        self.count_bytes += count
        return count
