"""How much disk is taken."""

from typing import Protocol

from controller.model.usage import DiskFacts


class DiskUsage(Protocol):
    """Measures what lies below the data directory; what comes or goes meanwhile may be counted or not."""

    async def measure(self) -> DiskFacts:
        """Return the sizes of everything. Other file systems that are mounted below are not entered."""
        ...
