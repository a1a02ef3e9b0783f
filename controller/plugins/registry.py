"""The plugins of a daemon. Each is connected to when something names it for the first time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

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
    """Connections by name, for the length of a block; tells the loops when a plugin begins or ceases to answer."""

    def __init__(self, options: PluginOptions) -> None:
        self._options = options
        self._tasks = asyncio.TaskGroup()
        self._known: dict[str, Plugin] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._hints: asyncio.Queue[Hint] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        path = Path(self._options.directory_path)
        await asyncio.to_thread(path.mkdir, mode=0o755, parents=True, exist_ok=True)
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of every plugin; they go on by themselves."""
        for watch in self._watches:
            watch.cancel()
        await self._tasks.__aexit__(None, None, None)

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
