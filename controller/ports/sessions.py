"""Ways into a running process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.model.ids import Uid


class Stream(StrEnum):
    """Where bytes came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Session(Protocol):
    """A client's connection to a running process; ends when the process or the client does."""

    def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """Yield what the process writes, until it ends."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes to standard input."""
        ...

    async def close_stdin(self) -> None:
        """End standard input."""
        ...

    async def resize(self, *, rows: int, columns: int) -> None:
        """Tell the terminal's size."""
        ...

    async def exit_code(self) -> int | None:
        """Wait for the process of an exec to end and return its code; None for attach, whose end the store tells."""
        ...

    async def close(self) -> None:
        """Let go; the process that still runs is left alone, and its standard input open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecWant:
    """A further process in a running container. `environment` adds to the container's own."""

    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    stdin: bool = False
    privileged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A piece of output of one moment: one or more whole lines, or a part of a line, without its newline."""

    at: datetime
    stream: Stream
    data: bytes


class Sessions(Protocol):
    """Ways into a container's process."""

    async def attach(self, uid: Uid) -> Session:
        """Connect to a created or running process. NotFound when there is none."""
        ...

    def expect_attach(self, name: str) -> "Gate":
        """Hold back the start of the container of this name, not yet created, until its gate opens (at most 10 s)."""
        ...

    async def exec(self, uid: Uid, want: ExecWant) -> Session:
        """Run a further process. Conflict when the container does not run; Refused when the program can't be run."""
        ...

    def logs(
        self,
        uid: Uid,
        *,
        follow: asyncio.Event | None,
        since: datetime | None,
        tail: int | None,
        previous: bool = False,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield the log from the oldest line kept (or the last `tail`).

        With `follow` it goes on until that is set, and what was written before is told, or the container is deleted.
        With `previous` only what the process before the present one wrote, and no more; NotFound when there was none.
        Unsupported when what takes the output in keeps nothing.
        """
        ...


class Gate(Protocol):
    """Held by a client that wants to be attached before the process starts."""

    async def created(self) -> Uid:
        """Wait until the process is created and return its container."""
        ...

    def open(self) -> None:
        """Let the process start."""
        ...
