"""The time of day, from the kernel."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `controller.ports.Clock`."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.fromtimestamp(time.time(), UTC)
