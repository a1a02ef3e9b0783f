"""Everything about plugins, put together once for a daemon."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from controller.plugins.networks import PluginNetworks
from controller.plugins.registry import PluginOptions, Plugins
from controller.plugins.volumes import PluginVolumes
from controller.ports.plugins import Drivers


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDrivers:
    """What the loops ask through, and what tells them that a plugin comes or goes."""

    drivers: Drivers
    events: Plugins


@contextlib.asynccontextmanager
async def open_drivers(options: PluginOptions) -> AsyncIterator[OpenedDrivers]:
    """Keep connections to plugins for the length of the block."""
    async with Plugins(options) as plugins:
        drivers = Drivers(volumes=PluginVolumes(plugins=plugins), networks=PluginNetworks(plugins=plugins))
        yield OpenedDrivers(drivers=drivers, events=plugins)
