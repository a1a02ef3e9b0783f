"""How long to wait before a registry is asked again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a registry is given another chance.

    `silence_s` is the longest time without a byte, and that over which less than `least_rate_bytes` a second are too
    few. `attempts` is how often in a row something may fail. Waits double from `first_wait_s` to `longest_wait_s`; what
    a registry itself asks for is honoured up to `longest_asked_s`.
    """

    connect_s: float = 15.0
    silence_s: float = 30.0
    least_rate_bytes: int = 1024
    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 10.0
    longest_asked_s: float = 60.0

    def wait_s(self, failures: int, asked_s: float) -> float:
        """Return the wait after `failures` in a row (at least 1) when the registry asked for `asked_s`, 0 for nothing."""
        own_s = min(self.longest_wait_s, self.first_wait_s * float(1 << min(failures - 1, 16)))
        return max(own_s, min(asked_s, self.longest_asked_s))


def read_retry_after_s(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that `Retry-After` asks for (a number or a date, RFC 9110 10.2.3), 0 when it says nothing."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(min(int(text), 86400))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at - now).total_seconds()) if at.tzinfo is not None else 0.0
