"""Plugins that keep volumes and make networks.

Plugins are programs of others, and nothing about them is certain: every method but `read` raises Unavailable while the
plugin can't be asked, or does not answer in time, and Refused, NotFound, Exhausted or Unsupported when it says no or
answers what can't be. Nothing waits for a plugin that is known not to answer.
"""

from dataclasses import dataclass
from typing import Protocol

from controller.model.ids import Uid
from controller.model.plugins import (
    DrivenNetwork,
    DrivenNetworkFacts,
    DrivenVolume,
    DrivenVolumeFacts,
    EndpointWant,
)


class VolumeDrivers(Protocol):
    """Volumes that plugins keep."""

    async def read(self, volume: DrivenVolume) -> DrivenVolumeFacts:
        """Return what the plugin tells of a volume, or why it tells nothing."""
        ...

    async def ensure(self, volume: DrivenVolume) -> None:
        """Let the plugin make the volume, or make it so again."""
        ...

    async def remove(self, volume: DrivenVolume) -> None:
        """Let the plugin remove the volume with its data."""
        ...

    async def mount(self, volume: DrivenVolume) -> str:
        """Let the plugin show the data; return the host's directory, which has been looked at."""
        ...

    async def unmount(self, volume: DrivenVolume) -> None:
        """Tell the plugin that the directory is not needed any more."""
        ...


class NetworkDrivers(Protocol):
    """Networks that plugins make."""

    async def read(self, network: DrivenNetwork) -> DrivenNetworkFacts:
        """Return what the plugin tells of a network, or why it tells nothing."""
        ...

    async def ensure(self, network: DrivenNetwork) -> None:
        """Let the plugin make the network, or make it so again."""
        ...

    async def remove(self, network: DrivenNetwork) -> None:
        """Let the plugin remove the network."""
        ...

    async def ensure_endpoint(self, want: EndpointWant) -> str:
        """Let the plugin make a link for a container; return its name on the host, empty for one that has joined."""
        ...

    async def remove_endpoint(self, network: DrivenNetwork, container: Uid) -> None:
        """Let the plugin remove what it made for a container."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """All that plugins are asked through."""

    volumes: VolumeDrivers
    networks: NetworkDrivers
