"""What plugins of every kind have in common: a socket, and saying who they are."""

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from controller.plugins.v1 import plugin_pb2, plugin_pb2_grpc

_RELEASE = "1.0"


class Introduction(plugin_pb2_grpc.PluginServiceServicer):
    """Answers the handshake."""

    def __init__(self, kinds: "Sequence[plugin_pb2.DriverKind.ValueType]") -> None:
        self._kinds = kinds

    def Handshake(  # noqa: N802 - gRPC's name
        self, request: plugin_pb2.HandshakeRequest, context: grpc.ServicerContext
    ) -> plugin_pb2.HandshakeResponse:
        if "v1" not in request.versions:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "this plugin speaks v1 alone")
        return plugin_pb2.HandshakeResponse(version="v1", kinds=self._kinds, release=_RELEASE)


def serve(
    socket_path: Path,
    kinds: "Sequence[plugin_pb2.DriverKind.ValueType]",
    add_services: Callable[[grpc.Server], None],
) -> None:
    """Serve until SIGTERM. A socket that an earlier process has left is replaced."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    plugin_pb2_grpc.add_PluginServiceServicer_to_server(Introduction(kinds), server)
    add_services(server)
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    socket_path.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{socket_path}")
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.stop(grace=1).wait()
