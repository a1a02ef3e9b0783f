"""What nobody finds any more, on its way out: removing tens of thousands of files takes time, and nobody waits for it."""

import asyncio
import logging
import secrets
from pathlib import Path

from controller.errors import HoldError
from controller.images.files import in_thread
from controller.ports import Unpacker

LOG = logging.getLogger(__name__)


class Trash:
    """A directory whose content is removed by `run`; `load` comes first, once."""

    def __init__(self, directory: Path, unpacker: Unpacker) -> None:
        self._directory = directory
        self._unpacker = unpacker
        self._filled = asyncio.Event()

    def load(self) -> None:
        """Make the directory; what an earlier daemon left in it goes too. Blocks."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._filled.set()

    def throw(self, path: Path) -> None:
        """Take away a file or directory of the same file system, at once; nothing when it is missing. Blocks."""
        try:
            path.rename(self._directory / secrets.token_hex(8))
        except FileNotFoundError:
            return

    async def throw_soon(self, path: Path) -> None:
        """As `throw`, and have it removed."""
        await in_thread(f"{path} can't be removed", lambda: self.throw(path))
        self._filled.set()

    async def run(self) -> None:
        """Remove what is thrown away, until cancelled; what can't be removed is tried again with the next."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            try:
                await self._unpacker.empty(str(self._directory))
            except HoldError as error:
                LOG.warning("content can't be removed", extra={"error": error.message})
