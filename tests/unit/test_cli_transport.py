"""The client's own gRPC: against a real server, with more data than a window of HTTP/2 holds."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from controller.api.v1 import image_pb2, image_pb2_grpc, resource_pb2, state_pb2, state_pb2_grpc
from controller.cli.transport import CallFailed, Channel, Unreachable

_PIECE = "x" * 10_000
_PIECES = 500


class _State(state_pb2_grpc.StateServiceServicer):
    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401, ARG002, N802
        for number in range(_PIECES):
            resource = resource_pb2.Resource(kind="Volume")
            resource.metadata.annotations["text"] = _PIECE
            yield state_pb2.WatchResponse(type="ADDED", revision=number, resource=resource)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        await context.abort(grpc.StatusCode.NOT_FOUND, "Volume/ä does not exist: 100 %")


class _Images(image_pb2_grpc.ImageServiceServicer):
    async def Import(self, request_iterator: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        size = 0
        async for request in request_iterator:
            size += len(request.chunk)
        resource = resource_pb2.Resource(kind="Image")
        resource.metadata.generation = size
        return image_pb2.ImportResponse(resource=resource)


@asynccontextmanager
async def _serving(path: Path) -> AsyncIterator[str]:
    server = grpc.aio.server()
    state_pb2_grpc.add_StateServiceServicer_to_server(_State(), server)  # type: ignore[abstract]  # two calls are enough
    image_pb2_grpc.add_ImageServiceServicer_to_server(_Images(), server)  # type: ignore[abstract]  # one call is enough
    address = f"unix://{path}/s.sock"
    server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


async def test_a_long_stream_never_stalls(tmp_path: Path) -> None:
    def read(address: str) -> list[int]:
        with Channel(address) as channel:
            request = state_pb2.WatchRequest()
            answers = channel.stream("StateService/Watch", request, state_pb2.WatchResponse)
            return [answer.revision for answer in answers]

    async with _serving(tmp_path) as address, asyncio.timeout(60):
        assert await asyncio.to_thread(read, address) == list(range(_PIECES))


async def test_a_long_upload_never_stalls(tmp_path: Path) -> None:
    def send(address: str) -> int:
        with Channel(address) as channel:
            call = channel.open("ImageService/Import", image_pb2.ImportResponse)
            for _ in range(20):
                call.send(image_pb2.ImportRequest(chunk=bytes(1 << 20)))
            call.end()
            return next(iter(call)).resource.metadata.generation

    async with _serving(tmp_path) as address, asyncio.timeout(60):
        assert await asyncio.to_thread(send, address) == 20 << 20


async def test_a_failure_has_its_code_and_words(tmp_path: Path) -> None:
    def ask(address: str) -> CallFailed:
        with Channel(address) as channel, pytest.raises(CallFailed) as caught:
            channel.unary("StateService/Get", state_pb2.GetRequest(), state_pb2.GetResponse)
        return caught.value

    async with _serving(tmp_path) as address, asyncio.timeout(60):
        error = await asyncio.to_thread(ask, address)
    assert (error.code, error.message) == (5, "Volume/ä does not exist: 100 %")


@pytest.mark.parametrize("address", ["unix:///nowhere/hold.sock", "tcp://1.2.3.4:5", "nonsense"])
def test_nobody_there_is_told(address: str) -> None:
    with pytest.raises(Unreachable, match="daemon"):
        Channel(address).open("StateService/Get", state_pb2.GetResponse)


@contextmanager
def _as_nobody(directory_path: Path) -> Iterator[None]:
    """Be one who may not look into a directory for the length of the block."""
    directory_path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        directory_path.chmod(0o700)


def test_a_socket_that_may_not_be_used_is_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "hold.sock"
    with (
        _as_nobody(tmp_path),
        pytest.raises(Unreachable, match=r"may not be used \(permission denied\): run hold as root"),
    ):
        Channel(f"unix://{path}").open("StateService/Get", state_pb2.GetResponse)
