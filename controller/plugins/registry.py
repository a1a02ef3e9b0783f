"""The plugins of a daemon: `open_plugins(...)`. Each is connected to when something names it for the first time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from controller.model.ids import Uid
from controller.plugins.plugin import Caller, Plugin
from controller.ports import Hint, HintType


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginOptions:
    """Where plugins listen: `directory_path`/NAME.sock, unless `sockets` names another place."""

    directory_path: str
    caller: Caller
    sockets: Mapping[str, str] = field(default_factory=dict)


class Plugins:
    """Connections by name; tells the loops when a plugin begins or ceases to answer."""

    def __init__(self, options: PluginOptions, tasks: asyncio.TaskGroup) -> None:
        self._options = options
        self._tasks = tasks
        self._known: dict[str, Plugin] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._hints: asyncio.Queue[Hint] = asyncio.Queue()

    def find(self, name: str) -> Plugin:
        """Return the plugin of a driver, whether there is one or not."""
        plugin = self._known.get(name)
        if plugin is None:
            path = self._options.sockets.get(name, f"{self._options.directory_path}/{name}.sock")
            hint = Hint(type=HintType.PLUGIN, subject=name)
            plugin = Plugin(name, path, self._options.caller, lambda: self._hints.put_nowait(hint))
            self._known[name] = plugin
            self._watches.append(self._tasks.create_task(plugin.run()))
        return plugin

    async def watch(self) -> AsyncIterator[Hint]:
        """Yield hints for ever."""
        while True:
            yield await self._hints.get()

    def expect(self, uid: Uid) -> None:
        """Nothing to do: hints come for plugins, whoever uses them."""

    def disregard(self, uid: Uid) -> None:
        """See `expect`."""

    def close(self) -> None:
        """Let go of every plugin."""
        for watch in self._watches:
            watch.cancel()


@contextlib.asynccontextmanager
async def open_plugins(options: PluginOptions) -> AsyncIterator[Plugins]:
    """Keep connections for the length of the block; plugins themselves go on after it."""
    async with asyncio.TaskGroup() as tasks:
        plugins = Plugins(options, tasks)
        try:
            yield plugins
        finally:
            plugins.close()
