"""Networks that plugins make: `PluginNetworks(plugins=)` implements `controller.ports.plugins.NetworkDrivers`."""

import re

from controller.errors import NotFound, Refused, Unavailable, Unsupported
from controller.model.ids import Uid
from controller.model.plugins import DrivenNetwork, DrivenNetworkFacts, EndpointWant
from controller.plugins.plugin import Plugin
from controller.plugins.registry import Plugins
from controller.plugins.v1 import network_driver_pb2, network_driver_pb2_grpc, plugin_pb2

_KIND = plugin_pb2.DRIVER_KIND_NETWORK
_LINK_NAME = re.compile(r"[^\s/:]{1,15}")


class PluginNetworks:
    """Asks the plugin that a network names."""

    def __init__(self, *, plugins: Plugins) -> None:
        self._plugins = plugins

    async def read(self, network: DrivenNetwork) -> DrivenNetworkFacts:
        """Return what the plugin tells of a network, or why it tells nothing."""
        plugin, stub = self._find(network.driver)
        request = network_driver_pb2.GetNetworkRequest(id=network.uid)
        try:
            answer = await plugin.call(_KIND, stub.GetNetwork, request, what=f"network {network.name}")
        except NotFound:
            return DrivenNetworkFacts()
        except (Unavailable, Unsupported, Refused) as error:
            return DrivenNetworkFacts(fault=error.message)
        return DrivenNetworkFacts(
            present=True,
            current=answer.network == _describe(network),
            endpoints=frozenset(map(Uid, answer.endpoint_ids)),
        )

    async def ensure(self, network: DrivenNetwork) -> None:
        """Let the plugin make the network, or make it so again."""
        plugin, stub = self._find(network.driver)
        request = network_driver_pb2.EnsureNetworkRequest(network=_describe(network))
        await plugin.call(_KIND, stub.EnsureNetwork, request, what=f"network {network.name}")

    async def remove(self, network: DrivenNetwork) -> None:
        """Let the plugin remove the network."""
        plugin, stub = self._find(network.driver)
        request = network_driver_pb2.RemoveNetworkRequest(id=network.uid)
        await plugin.call(_KIND, stub.RemoveNetwork, request, what=f"removal of network {network.name}")

    async def ensure_endpoint(self, want: EndpointWant) -> str:
        """Let the plugin make a link for a container; return its name on the host, empty for one that has joined."""
        plugin, stub = self._find(want.driver)
        request = network_driver_pb2.EnsureEndpointRequest(
            network_id=want.network,
            endpoint_id=want.container,
            addresses=want.addresses,
            mac=want.mac,
            joined=want.joined,
        )
        answer = await plugin.call(_KIND, stub.EnsureEndpoint, request, what="link for a container")
        if want.joined:
            return ""
        if not _LINK_NAME.fullmatch(answer.link):
            raise Refused(
                f"plugin {plugin.name} gives the link {answer.link[:40]!r}, which is no name of a link"
            )
        return answer.link

    async def remove_endpoint(self, network: DrivenNetwork, container: Uid) -> None:
        """Let the plugin remove what it made for a container."""
        plugin, stub = self._find(network.driver)
        request = network_driver_pb2.RemoveEndpointRequest(network_id=network.uid, endpoint_id=container)
        await plugin.call(_KIND, stub.RemoveEndpoint, request, what=f"removal from network {network.name}")

    def _find(self, driver: str) -> tuple[Plugin, "network_driver_pb2_grpc.NetworkDriverServiceAsyncStub"]:
        plugin = self._plugins.find(driver)
        stub: network_driver_pb2_grpc.NetworkDriverServiceAsyncStub = (
            network_driver_pb2_grpc.NetworkDriverServiceStub(plugin.channel)
        )
        return plugin, stub


def _describe(network: DrivenNetwork) -> network_driver_pb2.Network:
    return network_driver_pb2.Network(
        id=network.uid,
        name=network.name,
        options=network.options,
        subnets=[network_driver_pb2.Subnet(cidr=cidr, gateway=gateway) for cidr, gateway in network.subnets],
        internal=network.internal,
        mtu=network.mtu or 0,
    )
