"""What containers use, and their processes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.model.ids import Uid
from controller.plan.stats import UsageSample


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTable:
    """Processes as ps prints them: titles, and a value for each title in every row."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Gauges(Protocol):
    """Reads what the kernel counts of containers."""

    async def sample(self, uids: Collection[Uid]) -> tuple[UsageSample, ...]:
        """Return a sample of each of the containers that have processes; the others are left out."""
        ...

    async def list_processes(self, uid: Uid, arguments: Sequence[str]) -> ProcessTable:
        """Return a container's processes as ps shows them with these arguments.

        Invalid when ps does not take the arguments, or prints no PID; Unsupported when the host has no ps.
        """
        ...
