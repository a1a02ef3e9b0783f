"""Content that a client streams: a start, chunks, and an end that says that all of them came."""

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from controller.errors import Invalid


class UploadMessage(Protocol):
    """A message of an upload: `message` is one of start, chunk and end."""

    @property
    def chunk(self) -> bytes: ...

    def WhichOneof(self, oneof_group: Literal["message"], /) -> str | None: ...  # noqa: N802 - protobuf's name


async def list_chunks(requests: AsyncIterator[UploadMessage], *, broken: str) -> AsyncIterator[bytes]:
    """Yield the chunks that follow the start; Invalid with `broken` when the stream ends without its end."""
    async for request in requests:
        match request.WhichOneof("message"):
            case "chunk":
                yield request.chunk
            case "end":
                return
            case _:
                raise Invalid("a message after the first has to carry a chunk or the end")
    raise Invalid(broken)
