"""Who is about to use what: garbage collection takes nothing that was touched while a lease was open.

All of it happens on the event loop's thread, so that a look and a touch are one step.
"""

import contextlib
from collections.abc import Iterator


class Leases:
    """Serial numbers of leases, and for each digest the youngest lease that was open or over when it was touched.

    A touch is not tied to one lease: what was touched after the oldest open lease began may be that lease's, and stays.
    """

    def __init__(self) -> None:
        self._serial = 0
        self._open: set[int] = set()
        self._touched: dict[str, int] = {}

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Keep what is touched from now on until the block ends."""
        self._serial += 1
        serial = self._serial
        self._open.add(serial)
        try:
            yield
        finally:
            self._open.discard(serial)
            self._touched = {digest: at for digest, at in self._touched.items() if self._is_kept(at)}

    def touch(self, digest: str) -> None:
        """Note that somebody counts on this content; nothing without an open lease."""
        if self._open:
            self._touched[digest] = self._serial

    def protects(self, digest: str) -> bool:
        """Tell whether an open lease may count on this content."""
        at = self._touched.get(digest)
        return at is not None and self._is_kept(at)

    def _is_kept(self, touched_at: int) -> bool:
        return bool(self._open) and touched_at >= min(self._open)
