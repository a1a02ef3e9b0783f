"""Ways into processes that are coroutines of a test: many may be attached to one, as on Linux."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable

from controller.errors import Conflict, NotFound, Refused
from controller.model.ids import Uid
from controller.ports import ExecWant, Session, Stream

_KILLED = 137


class FakeProcess:
    """What a program has: lines to read, those who listen, an end."""

    def __init__(self) -> None:
        self.stdin: asyncio.Queue[bytes] = asyncio.Queue()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.size: tuple[int, int] | None = None
        self._listeners: list[FakeSession] = []

    def listen(self, *, is_exec: bool) -> "FakeSession":
        """Return a session that gets what is said from now on."""
        session = FakeSession(self, leave=self._listeners.remove, is_exec=is_exec)
        self._listeners.append(session)
        return session

    def say(self, stream: Stream, data: bytes) -> None:
        """Tell everybody who listens."""
        for session in self._listeners:
            session.heard.put_nowait((stream, data))

    def end(self, code: int) -> None:
        """End with a code."""
        if self.code.done():
            return
        self.code.set_result(code)
        for session in self._listeners:
            session.heard.put_nowait(None)


Program = Callable[[FakeProcess], Awaitable[None]]


class FakeSession:
    """Implements `controller.ports.Session`."""

    def __init__(
        self, process: FakeProcess, *, leave: "Callable[[FakeSession], None]", is_exec: bool
    ) -> None:
        self.heard: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue()
        self._process = process
        self._leave: Callable[[], None] | None = functools.partial(leave, self)
        self._is_exec = is_exec

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        while (piece := await self.heard.get()) is not None:
            yield piece

    async def write(self, data: bytes) -> None:
        self._process.stdin.put_nowait(data)

    async def close_stdin(self) -> None:
        self._process.stdin.put_nowait(b"")

    async def resize(self, *, rows: int, columns: int) -> None:
        self._process.size = (rows, columns)

    async def exit_code(self) -> int | None:
        return await asyncio.shield(self._process.code) if self._is_exec else None

    async def close(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None


class FakeSessions:
    """Implements `attach` and `exec` of `controller.ports.Sessions`; `programs`, by their arguments, run as children of `tasks`."""

    def __init__(self, tasks: asyncio.TaskGroup, programs: dict[tuple[str, ...], Program]) -> None:
        self._tasks = tasks
        self._programs = programs
        self._processes: dict[Uid, FakeProcess] = {}
        self._inside: dict[Uid, list[FakeProcess]] = {}

    def create(self, uid: Uid) -> FakeProcess:
        """Make a container's process, which does nothing yet."""
        self._processes[uid] = FakeProcess()
        return self._processes[uid]

    def start(self, uid: Uid, arguments: tuple[str, ...]) -> None:
        """Let a container's process run a program."""
        self._tasks.create_task(self._run(self._processes[uid], arguments))

    def kill(self, uid: Uid) -> None:
        """End a container's process, and with it every other one inside."""
        for process in (self._processes.pop(uid), *self._inside.pop(uid, ())):
            process.end(_KILLED)

    async def _run(self, process: FakeProcess, arguments: tuple[str, ...]) -> None:
        await self._programs[arguments](process)

    async def attach(self, uid: Uid) -> Session:
        if uid not in self._processes:
            raise NotFound(f"container {uid} has no process to attach to")
        return self._processes[uid].listen(is_exec=False)

    async def exec(self, uid: Uid, want: ExecWant) -> Session:
        if uid not in self._processes or self._processes[uid].code.done():
            raise Conflict(f"container {uid} is not running")
        if want.arguments not in self._programs:
            raise Refused(f"exec: {want.arguments[0]}: not found")
        process = FakeProcess()
        self._inside.setdefault(uid, []).append(process)
        session = process.listen(is_exec=True)
        self._tasks.create_task(self._run(process, want.arguments))
        return session
