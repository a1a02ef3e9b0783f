"""Networks that plugins make: `PluginNetworks(plugins=)` implements `controller.ports.plugins.NetworkDrivers`."""

import re

from controller.errors import Refused
from controller.model.ids import Uid
from controller.model.plugins import DrivenNetwork, DrivenNetworkFacts, EndpointWant
from controller.plugins.desk import Desk
from controller.plugins.registry import Plugins
from controller.plugins.v1 import network_driver_pb2, network_driver_pb2_grpc, plugin_pb2

_LINK_NAME = re.compile(r"[^\s/:]{1,15}")


class PluginNetworks:
    """Asks the plugin that a network names."""

    def __init__(self, *, plugins: Plugins) -> None:
        self._desk: Desk[network_driver_pb2_grpc.NetworkDriverServiceAsyncStub] = Desk(
            plugins=plugins,
            kind=plugin_pb2.DRIVER_KIND_NETWORK,
            make_stub=network_driver_pb2_grpc.NetworkDriverServiceStub,
        )

    async def read(self, network: DrivenNetwork) -> DrivenNetworkFacts:
        """Return what the plugin tells of a network, or why it tells nothing."""
        request = network_driver_pb2.GetNetworkRequest(id=network.uid)
        answer, fault = await self._desk.look(
            network.driver, lambda stub: stub.GetNetwork, request, what=f"network {network.name}"
        )
        if answer is None:
            return DrivenNetworkFacts(fault=fault)
        return DrivenNetworkFacts(
            present=True,
            current=answer.network == _describe(network),
            endpoints=frozenset(map(Uid, answer.endpoint_ids)),
        )

    async def ensure(self, network: DrivenNetwork) -> None:
        """Let the plugin make the network, or make it so again."""
        request = network_driver_pb2.EnsureNetworkRequest(network=_describe(network))
        what = f"network {network.name}"
        await self._desk.ask(network.driver, lambda stub: stub.EnsureNetwork, request, what=what)

    async def remove(self, network: DrivenNetwork) -> None:
        """Let the plugin remove the network."""
        request = network_driver_pb2.RemoveNetworkRequest(id=network.uid)
        what = f"removal of network {network.name}"
        await self._desk.ask(network.driver, lambda stub: stub.RemoveNetwork, request, what=what)

    async def ensure_endpoint(self, want: EndpointWant) -> str:
        """Let the plugin make a link for a container; return its name on the host, empty for one that has joined."""
        request = network_driver_pb2.EnsureEndpointRequest(
            network_id=want.network,
            endpoint_id=want.container,
            addresses=want.addresses,
            mac=want.mac,
            joined=want.joined,
        )
        what = "link for a container"
        answer = await self._desk.ask(want.driver, lambda stub: stub.EnsureEndpoint, request, what=what)
        if want.joined:
            return ""
        if not _LINK_NAME.fullmatch(answer.link):
            given = f"plugin {want.driver} gives the link {answer.link[:40]!r}"
            raise Refused(f"{given}, which is no name of a link")
        return answer.link

    async def remove_endpoint(self, network: DrivenNetwork, container: Uid) -> None:
        """Let the plugin remove what it made for a container."""
        request = network_driver_pb2.RemoveEndpointRequest(network_id=network.uid, endpoint_id=container)
        what = f"removal from network {network.name}"
        await self._desk.ask(network.driver, lambda stub: stub.RemoveEndpoint, request, what=what)


def _describe(network: DrivenNetwork) -> network_driver_pb2.Network:
    return network_driver_pb2.Network(
        id=network.uid,
        name=network.name,
        options=network.options,
        subnets=[network_driver_pb2.Subnet(cidr=cidr, gateway=gateway) for cidr, gateway in network.subnets],
        internal=network.internal,
        mtu=network.mtu or 0,
    )
