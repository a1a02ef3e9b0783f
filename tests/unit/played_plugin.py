"""A plugin in the test's own process that plays a part: answers, silence, nonsense."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from controller.plugins.assembly import OpenedDrivers, open_drivers
from controller.plugins.plugin import Caller
from controller.plugins.registry import PluginOptions
from controller.plugins.v1 import network_driver_pb2, plugin_pb2, volume_driver_pb2

NAME = "odd"
KINDS = (plugin_pb2.DRIVER_KIND_NETWORK, plugin_pb2.DRIVER_KIND_VOLUME)


@dataclass(slots=True)
class Part:
    """What the plugin says: `answers` by method, an empty one to others; with `code` it refuses every call.

    A `silent` one answers nothing, not even a handshake.
    """

    version: str = "v1"
    kinds: tuple[int, ...] = KINDS
    code: grpc.StatusCode | None = None
    words: str = ""
    silent: bool = False
    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)


async def _answer(part: Part, name: str, context: Any) -> bytes:  # noqa: ANN401 - grpc's types say little
    part.calls.append(name)
    if part.silent:
        await asyncio.Event().wait()
    if name == "Handshake":
        kinds: Any = part.kinds
        return plugin_pb2.HandshakeResponse(version=part.version, kinds=kinds).SerializeToString()
    if part.code is not None:
        await context.abort(part.code, part.words)
    found = part.answers.get(name, b"")
    return found if isinstance(found, bytes) else bytes(found.SerializeToString())


def _play(part: Part, name: str) -> Any:  # noqa: ANN401
    async def answer(request: bytes, context: Any) -> bytes:  # noqa: ANN401
        del request
        return await _answer(part, name, context)

    return grpc.unary_unary_rpc_method_handler(answer)


def _list_services(part: Part) -> Iterator[Any]:
    """Yield the part as every service of the protocol."""
    for module in (plugin_pb2, network_driver_pb2, volume_driver_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            handlers = {method.name: _play(part, method.name) for method in service.methods}
            yield grpc.method_handlers_generic_handler(service.full_name, handlers)


@contextlib.asynccontextmanager
async def playing(part: Part, directory_path: Path) -> AsyncIterator[None]:
    """A plugin that listens where hold looks for it."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(tuple(_list_services(part)))
    server.add_insecure_port(f"unix:{directory_path / NAME}.sock")
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace=0)


@contextlib.asynccontextmanager
async def asking(directory_path: Path, *, timeout_s: float = 20.0) -> AsyncIterator[OpenedDrivers]:
    """The drivers of a daemon that looks for plugins in a directory."""
    caller = Caller(instance="test", version="1", timeout_s=timeout_s)
    async with open_drivers(PluginOptions(directory_path=str(directory_path), caller=caller)) as drivers:
        yield drivers
