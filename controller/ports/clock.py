"""The time of day."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day. Waiting is asyncio's own, so that tests can run it in virtual time."""

    def now(self) -> datetime:
        """Return the present time, with time zone UTC."""
        ...
