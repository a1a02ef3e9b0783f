"""Several endpoints of one registry, of which the first that answers is used."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from controller.errors import HoldError, NotFound
from controller.images.registry.messages import CantConnect
from controller.images.registry.origin import Origin

Result = TypeVar("Result")


class Origins:
    """The endpoints that are left to ask, the preferred one first."""

    def __init__(self, origins: Sequence[Origin]) -> None:
        self._origins = tuple(origins)

    def __iter__(self) -> Iterator[Origin]:
        return iter(self._origins)

    async def ask_in_turn(self, ask: Callable[[Origin], Awaitable[Result]]) -> Result:
        """Return the first one's answer; those before it are left aside from then on. Raises what the last one asked does."""
        for origin in self._origins:
            try:
                result = await ask(origin)
            except HoldError as error:
                if not self.has_other(origin, error):
                    raise
            else:
                self._prefer(origin)
                return result
        raise NotFound("there is no registry to ask")

    def _prefer(self, origin: Origin) -> None:
        """Leave those before it aside; somebody else may have done so meanwhile."""
        if origin in self._origins:
            self._origins = self._origins[self._origins.index(origin) :]

    def has_other(self, origin: Origin, error: HoldError) -> bool:
        """Tell whether another should be asked after an error: after a mirror's always, else when it can't be reached."""
        if origin is self._origins[-1]:
            return False
        return origin.endpoint.mirror or isinstance(error.__cause__, CantConnect)
