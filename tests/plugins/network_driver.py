"""A driver of networks: `python -m tests.plugins.network_driver SOCKET DIRECTORY`.

Each network is a bridge that has the gateways, each container's link one end of a veth pair. What it was told lies in
DIRECTORY; what it has made lies in the kernel, under names that follow from ids, so that it can be killed and started
again at any time.
"""

import json
import subprocess
import sys
from pathlib import Path

import grpc

from controller.plugins.v1 import network_driver_pb2, network_driver_pb2_grpc, plugin_pb2
from tests.plugins.serving import serve


def _ip(*arguments: str, check: bool = True) -> bool:
    completed = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if check and completed.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {completed.stderr.strip()}")
    return completed.returncode == 0


def _name_bridge(network_id: str) -> str:
    return f"xb{network_id[:12]}"


def _name_end(network_id: str, endpoint_id: str, *, outer: bool) -> str:
    return f"x{'o' if outer else 'i'}{network_id[:5]}{endpoint_id[:7]}"


class NetworkDriver(network_driver_pb2_grpc.NetworkDriverServiceServicer):
    """DIRECTORY/ID has `told` (the network as it was ensured) and `endpoints` (a list of ids)."""

    def __init__(self, directory_path: Path) -> None:
        self._directory_path = directory_path

    def GetNetwork(  # noqa: N802 - gRPC's name
        self, request: network_driver_pb2.GetNetworkRequest, context: grpc.ServicerContext
    ) -> network_driver_pb2.GetNetworkResponse:
        place = self._directory_path / request.id
        if not (place / "told").exists() or not _ip("link", "show", _name_bridge(request.id), check=False):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such network")
        told = network_driver_pb2.Network.FromString((place / "told").read_bytes())
        return network_driver_pb2.GetNetworkResponse(
            network=told, endpoint_ids=self._read_endpoints(request.id)
        )

    def EnsureNetwork(  # noqa: N802
        self, request: network_driver_pb2.EnsureNetworkRequest, context: grpc.ServicerContext
    ) -> network_driver_pb2.EnsureNetworkResponse:
        network, bridge = request.network, _name_bridge(request.network.id)
        if network.options:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this driver knows no options")
        _ip("link", "add", bridge, "type", "bridge", check=False)
        for subnet in network.subnets:
            prefix = subnet.cidr.partition("/")[2]
            _ip("address", "add", f"{subnet.gateway}/{prefix}", "dev", bridge, check=False)
        _ip("link", "set", bridge, "up")
        place = self._directory_path / network.id
        place.mkdir(parents=True, exist_ok=True)
        (place / "told").write_bytes(network.SerializeToString())
        return network_driver_pb2.EnsureNetworkResponse()

    def RemoveNetwork(  # noqa: N802
        self, request: network_driver_pb2.RemoveNetworkRequest, context: grpc.ServicerContext
    ) -> network_driver_pb2.RemoveNetworkResponse:
        del context
        for endpoint in self._read_endpoints(request.id):
            self._remove_endpoint(request.id, endpoint)
        _ip("link", "delete", _name_bridge(request.id), check=False)
        place = self._directory_path / request.id
        for name in ("told", "endpoints"):
            (place / name).unlink(missing_ok=True)
        return network_driver_pb2.RemoveNetworkResponse()

    def EnsureEndpoint(  # noqa: N802
        self, request: network_driver_pb2.EnsureEndpointRequest, context: grpc.ServicerContext
    ) -> network_driver_pb2.EnsureEndpointResponse:
        del context
        outer = _name_end(request.network_id, request.endpoint_id, outer=True)
        inner = _name_end(request.network_id, request.endpoint_id, outer=False)
        endpoints = self._read_endpoints(request.network_id)
        if request.endpoint_id not in endpoints:
            self._write_endpoints(request.network_id, [*endpoints, request.endpoint_id])
        if not request.joined and not _ip("link", "show", inner, check=False):
            _ip("link", "delete", outer, check=False)
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner)
        _ip("link", "set", outer, "master", _name_bridge(request.network_id), "up")
        return network_driver_pb2.EnsureEndpointResponse(link=inner)

    def RemoveEndpoint(  # noqa: N802
        self, request: network_driver_pb2.RemoveEndpointRequest, context: grpc.ServicerContext
    ) -> network_driver_pb2.RemoveEndpointResponse:
        del context
        self._remove_endpoint(request.network_id, request.endpoint_id)
        return network_driver_pb2.RemoveEndpointResponse()

    def _remove_endpoint(self, network_id: str, endpoint_id: str) -> None:
        _ip("link", "delete", _name_end(network_id, endpoint_id, outer=True), check=False)
        left = [each for each in self._read_endpoints(network_id) if each != endpoint_id]
        self._write_endpoints(network_id, left)

    def _read_endpoints(self, network_id: str) -> list[str]:
        path = self._directory_path / network_id / "endpoints"
        return [str(each) for each in json.loads(path.read_text())] if path.exists() else []

    def _write_endpoints(self, network_id: str, endpoints: list[str]) -> None:
        path = self._directory_path / network_id / "endpoints"
        if path.parent.exists():
            path.write_text(json.dumps(endpoints))


def main(socket_path: str, directory_path: str) -> None:
    """Serve until SIGTERM."""
    driver = NetworkDriver(Path(directory_path))
    serve(
        Path(socket_path),
        [plugin_pb2.DRIVER_KIND_NETWORK],
        lambda server: network_driver_pb2_grpc.add_NetworkDriverServiceServicer_to_server(driver, server),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
