"""Archives on their way between a command and the daemon."""

import contextlib
from collections.abc import Iterator

from controller.api.v1 import container_pb2
from controller.cli.client import Client
from controller.cli.transport import Call

CHUNK_BYTES = 1 << 20


class Sending:
    """Sends a stream to the daemon in pieces."""

    def __init__(self, call: Call[container_pb2.PutArchiveResponse]) -> None:
        self._call = call
        self.count_bytes = 0

    def write(self, data: bytes) -> None:
        """Send all the bytes; CallFailed when the daemon has ended the call meanwhile."""
        if self._call.ended:
            self._call.check()
        for start in range(0, len(data), CHUNK_BYTES):
            self._call.send(container_pb2.PutArchiveRequest(chunk=data[start : start + CHUNK_BYTES]))
        self.count_bytes += len(data)


@contextlib.contextmanager
def putting(client: Client, start: container_pb2.PutArchiveStart) -> Iterator[Sending]:
    """Give what to write an archive to; at the end of the block it is whole, and unpacked."""
    call = client.channel.open("ContainerService/PutArchive", container_pb2.PutArchiveResponse)
    call.send(container_pb2.PutArchiveRequest(start=start))
    yield Sending(call)
    call.send(container_pb2.PutArchiveRequest(end=container_pb2.PutArchiveEnd()))
    call.end()
    for _ in call:
        continue


class Received:
    """A stream from the daemon, to be read as a file is."""

    def __init__(self, call: Iterator[container_pb2.ArchiveResponse]) -> None:
        self._answers = call
        self._left = memoryview(b"")
        self.count_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, whatever is there without one; nothing at the end."""
        if not self._left:
            answer = next(self._answers, None)
            self._left = memoryview(answer.chunk if answer is not None else b"")
        data = bytes(self._left[: size if size >= 0 else None])
        self._left = self._left[len(data) :]
        self.count_bytes += len(data)
        return data
