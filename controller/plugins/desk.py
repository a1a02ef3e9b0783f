"""One kind of driver of all plugins: finding the plugin that an object names, and asking it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from controller.errors import Exhausted, NotFound, Refused, Unavailable, Unsupported
from controller.plugins.plugin import Answer, Method, Question
from controller.plugins.registry import Plugins

if TYPE_CHECKING:
    import grpc.aio

    from controller.plugins.v1 import plugin_pb2

StubT = TypeVar("StubT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(Generic[StubT]):
    """Asks plugins of one kind. `what` tells in errors what for; errors are those of `controller.ports.plugins`."""

    plugins: Plugins
    kind: "plugin_pb2.DriverKind.ValueType"
    make_stub: "Callable[[grpc.aio.Channel], StubT]"

    async def ask(
        self,
        driver: str,
        choose: Callable[[StubT], Method[Question, Answer]],
        request: Question,
        *,
        what: str,
    ) -> Answer:
        """Ask the plugin by the method that is chosen from its client."""
        plugin = self.plugins.find(driver)
        return await plugin.call(self.kind, choose(self.make_stub(plugin.channel)), request, what=what)

    async def look(
        self,
        driver: str,
        choose: Callable[[StubT], Method[Question, Answer]],
        request: Question,
        *,
        what: str,
    ) -> tuple[Answer | None, str]:
        """Ask about something; return no answer where the plugin has no such thing, or with why it tells nothing."""
        try:
            return await self.ask(driver, choose, request, what=what), ""
        except NotFound:
            return None, ""
        except (Exhausted, Refused, Unavailable, Unsupported) as error:
            return None, error.message
