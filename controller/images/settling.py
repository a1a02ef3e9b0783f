"""What was put in place but may not survive a power failure yet: `unsettled/` has a note of it until it does.

A crash of the daemon leaves the page cache, and with it everything that has its name, as it is. A crash of the machine
may leave names with nothing or nonsense behind them. So the names are noted durably before they come into being; one
sync for all of them is made afterwards, without anybody waiting, and then the notes go. Notes of another boot that are
still there tell what is not to be trusted.
"""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from controller.errors import HoldError
from controller.images.files import in_thread, remove_partials, sync_directory, write_whole
from controller.ports import Unpacker

LOG = logging.getLogger(__name__)

_ABOUT = "a note on the image store can't be written"


class Settling:
    """Notes of what is not durable yet; `load` comes first, once. `boot_id` names the present boot of the machine."""

    def __init__(self, directory: Path, *, boot_id: str, unpacker: Unpacker) -> None:
        self._directory = directory
        self._boot_id = boot_id
        self._unpacker = unpacker
        self._notes: set[Path] = set()
        self._open: frozenset[str] = frozenset()
        self._wanted = asyncio.Event()
        self._settling = asyncio.Lock()

    def load(self) -> frozenset[str]:
        """Return the names that an earlier boot did not get to disk for sure; blocks. They are to be removed."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_partials(self._directory)
        doubtful: set[str] = set()
        for path in self._directory.iterdir():
            note = json.loads(path.read_bytes())
            if note["boot"] != self._boot_id:
                doubtful.update(note["names"])
            self._notes.add(path)
        if self._notes:
            self._wanted.set()
        return frozenset(doubtful)

    @contextlib.asynccontextmanager
    async def noted(self, names: Iterable[str]) -> AsyncIterator[None]:
        """Say durably that these names come into being in the block; they are settled at some time after it.

        Names that an outer block has noted need no note of their own.
        """
        fresh = frozenset(names) - self._open
        if not fresh:
            yield
            return
        path = self._directory / secrets.token_hex(8)
        content = json.dumps({"boot": self._boot_id, "names": sorted(fresh)}).encode()
        await in_thread(_ABOUT, lambda: write_whole(path, content))
        self._open |= fresh
        try:
            yield
        finally:
            self._open -= fresh
            self._notes.add(path)
            self._wanted.set()

    async def settle(self) -> None:
        """Make everything durable that has its name, and wait for it."""
        async with self._settling:
            notes = frozenset(self._notes)
            await self._unpacker.sync(str(self._directory))
            await in_thread(_ABOUT, lambda: self._forget(notes))
            self._notes -= notes

    def _forget(self, notes: frozenset[Path]) -> None:
        for path in notes:
            path.unlink(missing_ok=True)
        sync_directory(self._directory)

    async def run(self) -> None:
        """Settle whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.settle()
            except HoldError as error:
                LOG.warning("images are not durable yet", extra={"error": error.message})
