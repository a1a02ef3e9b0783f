"""Checks of running containers."""

from typing import Protocol

from controller.model.health import Probe, ProbeOutcome
from controller.model.ids import Uid


class Probes(Protocol):
    """Asks containers how they are, from inside: in their namespaces, as their own user, within their limits."""

    async def probe(self, uid: Uid, probe: Probe, *, timeout_s: float) -> ProbeOutcome:
        """Carry out one check and return what came of it, at the latest a moment after `timeout_s`.

        What takes longer is killed and has failed, as has what can't be run or reached: exit code -1, and the reason as
        output. Cancelling kills it too. Many may go on at once. NotFound when the container has no process, Conflict
        when it is frozen.
        """
        ...
