"""Plugins of a fake machine: they know what they were told, and come and go."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.errors import Refused, Unavailable
from controller.model.changes import Snapshot
from controller.model.ids import Uid
from controller.model.network import Network
from controller.model.plugins import (
    DrivenNetwork,
    DrivenNetworkFacts,
    DrivenVolume,
    DrivenVolumeFacts,
    EndpointWant,
)
from controller.model.volume import Volume
from controller.ports import HintType
from controller.ports.plugins import Drivers
from tests.fakes.port import FakePort
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld


@dataclass(slots=True, kw_only=True)
class FakePlugin:
    """One plugin. `refusal` is what it says to everything that it is asked to make or remove."""

    answers: bool = True
    refusal: str = ""
    volumes: dict[Uid, DrivenVolume] = field(default_factory=dict)
    mounted: set[Uid] = field(default_factory=set)
    networks: dict[Uid, DrivenNetwork] = field(default_factory=dict)
    endpoints: set[tuple[Uid, Uid]] = field(default_factory=set)


@dataclass(slots=True)
class FakePlugins:
    """Plugins by the driver that they are."""

    world: FakeWorld
    known: dict[str, FakePlugin] = field(default_factory=dict)

    def start(self, driver: str) -> FakePlugin:
        """Let a plugin answer from now on."""
        plugin = self.known.setdefault(driver, FakePlugin())
        plugin.answers = True
        self.world.hint(HintType.PLUGIN, driver)
        return plugin

    def kill(self, driver: str) -> None:
        """Let a plugin answer no more; it keeps what it knows."""
        self.known[driver].answers = False
        self.world.hint(HintType.PLUGIN, driver)

    def find(self, driver: str) -> FakePlugin:
        """Return a plugin that answers; Unavailable when it does not."""
        plugin = self.known.get(driver)
        if plugin is None or not plugin.answers:
            raise Unavailable(f"plugin {driver}: nobody answers")
        return plugin

    def find_willing(self, driver: str) -> FakePlugin:
        """Return a plugin that does what it is asked; Refused when it does not."""
        plugin = self.find(driver)
        if plugin.refusal:
            raise Refused(f"plugin {driver}: {plugin.refusal}")
        return plugin


def list_plugin_faults(plugins: FakePlugins, snapshot: Snapshot) -> Iterator[str]:
    """Yield everything in which plugins that answer differ from what the objects of the snapshot ask for."""
    containers = {uid for uid, process in plugins.world.processes.items() if process.facts.pid}
    for driver, plugin in plugins.known.items():
        for kind, made in (("Network", plugin.networks), ("Volume", plugin.volumes)):
            wanted = {
                each.metadata.uid
                for each in snapshot.values()
                if each.kind == kind and isinstance(each, Network | Volume) and each.spec.driver == driver
            }
            if plugin.answers and set(made) != wanted:
                yield f"plugin {driver} has {kind}s {set(made)}, not {wanted}"
        if plugin.answers and {uid for _, uid in plugin.endpoints} - containers:
            yield f"plugin {driver} has ends of containers that do not run: {plugin.endpoints}"


class FakeVolumeDrivers(FakePort):
    """See VolumeDrivers."""

    def __init__(self, plugins: FakePlugins, steps: Steps) -> None:
        super().__init__(plugins.world, steps)
        self._plugins = plugins

    async def read(self, volume: DrivenVolume) -> DrivenVolumeFacts:
        call = await self._steps.begin("volume_drivers.read")
        await self._steps.end(call)
        try:
            plugin = self._plugins.find(volume.driver)
        except Unavailable as error:
            return DrivenVolumeFacts(fault=error.message)
        return DrivenVolumeFacts(
            present=volume.uid in plugin.volumes,
            current=plugin.volumes.get(volume.uid) == volume,
            mounted=volume.uid in plugin.mounted,
        )

    async def ensure(self, volume: DrivenVolume) -> None:
        call = await self._steps.begin("volume_drivers.ensure")
        self._plugins.find_willing(volume.driver).volumes[volume.uid] = volume
        await self._steps.end(call)

    async def remove(self, volume: DrivenVolume) -> None:
        call = await self._steps.begin("volume_drivers.remove")
        plugin = self._plugins.find_willing(volume.driver)
        if volume.uid in plugin.mounted:
            self._world.violate(f"plugin removed the mounted volume {volume.name}")
        plugin.volumes.pop(volume.uid, None)
        await self._steps.end(call)

    async def mount(self, volume: DrivenVolume) -> str:
        call = await self._steps.begin("volume_drivers.mount")
        self._plugins.find_willing(volume.driver).mounted.add(volume.uid)
        await self._steps.end(call)
        return f"/plugins/{volume.uid}"

    async def unmount(self, volume: DrivenVolume) -> None:
        call = await self._steps.begin("volume_drivers.unmount")
        self._plugins.find(volume.driver).mounted.discard(volume.uid)
        await self._steps.end(call)


class FakeNetworkDrivers(FakePort):
    """See NetworkDrivers."""

    def __init__(self, plugins: FakePlugins, steps: Steps) -> None:
        super().__init__(plugins.world, steps)
        self._plugins = plugins

    async def read(self, network: DrivenNetwork) -> DrivenNetworkFacts:
        call = await self._steps.begin("network_drivers.read")
        await self._steps.end(call)
        try:
            plugin = self._plugins.find(network.driver)
        except Unavailable as error:
            return DrivenNetworkFacts(fault=error.message)
        return DrivenNetworkFacts(
            present=network.uid in plugin.networks,
            current=plugin.networks.get(network.uid) == network,
            endpoints=frozenset(container for uid, container in plugin.endpoints if uid == network.uid),
        )

    async def ensure(self, network: DrivenNetwork) -> None:
        call = await self._steps.begin("network_drivers.ensure")
        self._plugins.find_willing(network.driver).networks[network.uid] = network
        await self._steps.end(call)

    async def remove(self, network: DrivenNetwork) -> None:
        call = await self._steps.begin("network_drivers.remove")
        plugin = self._plugins.find_willing(network.driver)
        plugin.networks.pop(network.uid, None)
        plugin.endpoints = {each for each in plugin.endpoints if each[0] != network.uid}
        await self._steps.end(call)

    async def ensure_endpoint(self, want: EndpointWant) -> str:
        call = await self._steps.begin("network_drivers.ensure_endpoint")
        self._plugins.find_willing(want.driver).endpoints.add((want.network, want.container))
        await self._steps.end(call)
        return "" if want.joined else "given0"

    async def remove_endpoint(self, network: DrivenNetwork, container: Uid) -> None:
        call = await self._steps.begin("network_drivers.remove_endpoint")
        self._plugins.find(network.driver).endpoints.discard((network.uid, container))
        await self._steps.end(call)


def make_drivers(plugins: FakePlugins, steps: Steps) -> Drivers:
    """Return both ports over the plugins of one world."""
    return Drivers(volumes=FakeVolumeDrivers(plugins, steps), networks=FakeNetworkDrivers(plugins, steps))


def no_drivers() -> Drivers:
    """Return the drivers of a machine without plugins."""
    return make_drivers(FakePlugins(FakeWorld()), Steps())
