"""How much disk is taken."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from controller.model.usage import DiskFacts, TreeSize


class DiskUsage(Protocol):
    """Measures what lies below the data directory; what comes or goes meanwhile may be counted or not."""

    async def measure(self) -> DiskFacts:
        """Return the sizes of everything. Other file systems that are mounted below are not entered."""
        ...

    async def measure_layers(self, layers: Iterable[str]) -> Mapping[str, TreeSize]:
        """Return the sizes of unpacked layers by chain id; those that are missing are left out."""
        ...
