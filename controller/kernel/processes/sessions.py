"""Ways into containers: `ContainerSessions(layout=..., runner=Runner(), cgroups=..., gates=Gates())`.

Use as an asynchronous context manager around everything that calls it: it is the parent of the tasks that carry the
output of execs, which go on after their clients have left.
"""

import asyncio
import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from controller.errors import Conflict, Refused, Unsupported
from controller.kernel import syscalls
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.logs.journal import JournalReader
from controller.kernel.logs.log_files import read_driver
from controller.kernel.logs.log_relays import settle_relay
from controller.kernel.logs.logs import ReadLines, read_log, read_previous_run
from controller.kernel.processes.attaching import connect
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.consoles import ConsoleSocket
from controller.kernel.processes.executions import ExecPipes, ExecSession, render_exec_process
from controller.kernel.processes.gates import AttachGate, Gates
from controller.kernel.processes.runtimes import Runtimes, classify_failure, parse_complaint
from controller.kernel.roots.accounts import read_accounts_in_root
from controller.kernel.subprocesses import Runner
from controller.kernel.watches import Watches
from controller.model.facts import AccountFiles
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.logs import LogDriver
from controller.ports import ExecWant, LogLine, Session

_PREFIX = "exec-"
"""Of the directories in which an exec is handed to its runtime."""


class ContainerSessions:
    """Implements `controller.ports.Sessions`."""

    def __init__(self, *, layout: Layout, runner: Runner, cgroups: Cgroups, gates: Gates) -> None:
        self._layout = layout
        self._runner = runner
        self._cgroups = cgroups
        self._gates = gates
        self._runtimes = Runtimes(runner, layout, cgroups)
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches = Watches()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(_clear_up, Path(self._layout.bundles_path))
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)
        self._watches.close()

    async def attach(self, uid: Uid) -> Session:
        """Connect to a created or running process. NotFound when there is none."""
        return await connect(Bundle(self._layout, uid), self._go_on)

    def expect_attach(self, name: str) -> AttachGate:
        """Hold back the start of the container of this name, not yet created, until its gate opens (at most 10 s)."""
        return self._gates.expect(name)

    async def exec(self, uid: Uid, want: ExecWant) -> Session:
        """Run a further process. Conflict when the container does not run; Refused when the program can't be run."""
        bundle = Bundle(self._layout, uid)
        origin = bundle.read_origin()
        pid = bundle.read_pid()
        if origin is None or bundle.awaits_start() or not self._cgroups.owns(uid, pid):
            raise Conflict(f"container {uid} is not running")
        if self._cgroups.is_frozen(uid):
            raise Conflict(f"container {uid} is paused: resume it first")
        config: dict[str, Any] = json.loads(bundle.config_path.read_text())
        accounts = AccountFiles()
        if want.user:
            accounts = await asyncio.to_thread(read_accounts_in_root, f"/proc/{pid}/root")
        process = render_exec_process(config, want, accounts)
        runtime = self._runtimes.choose(origin.runtime)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=bundle.path))
        (directory / "process.json").write_text(json.dumps(process))
        command = runtime.command("exec")
        options: tuple[str, ...] = (
            "--process",
            str(directory / "process.json"),
            "--pid-file",
            str(directory / "pid"),
        )
        log = ("--log", str(directory / "log"))
        console = ConsoleSocket(directory) if want.tty and runtime.hands_over_terminals else None
        if console is not None:
            options = (*options, "--console-socket", str(console.path))
        pipes = ExecPipes(tty=want.tty, stdin=want.stdin, handed_over=console is not None)
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, directory)
            undo.callback(pipes.close)
            if console is not None:
                undo.callback(console.close)
            child = self._runner.spawn(command[0], *log, *command[1:], *options, uid, stdio=pipes.stdio)
            undo.pop_all()
        pipes.close_child_ends()
        session = ExecSession(child, pipes, tty=want.tty, console=console)
        return await self._begin(session, want, directory)

    def logs(
        self,
        uid: Uid,
        *,
        follow: asyncio.Event | None,
        since: datetime | None,
        tail: int | None,
        previous: bool = False,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield the log; with `follow` until that is set, or the container is deleted."""
        path = Path(self._layout.log_path(uid))
        read = self._choose_reader(uid, path)
        if previous:
            return read_previous_run(path, read, since=since, tail=tail)
        return self._read_relayed(uid, functools.partial(read, since=since, tail=tail), follow)

    async def _read_relayed(
        self, uid: Uid, read: Callable[..., AsyncGenerator[LogLine, None]], follow: asyncio.Event | None
    ) -> AsyncGenerator[LogLine, None]:
        """Read so that nothing is missed that is on its way through a relay still."""
        bundle = Bundle(self._layout, uid)
        if follow is None:
            await settle_relay(bundle)
        settled = asyncio.Event()
        settling = self._go_on(_settle(bundle, follow, settled)) if follow is not None else None
        try:
            reading = read(follow=settled if follow is not None else None)
            async with contextlib.aclosing(reading) as lines:
                async for line in lines:
                    yield line
        finally:
            if settling is not None:
                settling.cancel()

    def _choose_reader(self, uid: Uid, path: Path) -> ReadLines:
        match read_driver(path):
            case LogDriver.NONE:
                raise Unsupported(
                    "configured logging driver does not support reading: log driver none keeps nothing"
                )
            case LogDriver.JOURNALD:
                return JournalReader(self._runner, uid, path.parent, self._watches).read
            case LogDriver.JSON_FILE | LogDriver.LOCAL:
                return functools.partial(read_log, path, self._watches)

    def _go_on(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Let something go on until it ends, or the daemon does."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _begin(self, session: ExecSession, want: ExecWant, directory: Path) -> Session:
        """Wait until the process is there, or the runtime has said why not."""
        task = self._go_on(session.run())
        pid = await _wait_for_pid(directory, task, self._watches)
        session.pid = pid
        await session.prepared.wait()
        complaint = ""
        if pid == 0:
            complaint = (directory / "log").read_text() if (directory / "log").exists() else ""
        shutil.rmtree(directory)
        if complaint:
            await session.close()
            failure = classify_failure(complaint, want.arguments[0])
            raise Refused(failure.message if failure is not None else parse_complaint(complaint))
        return session


async def _settle(bundle: Bundle, follow: asyncio.Event, settled: asyncio.Event) -> None:
    """Set `settled` once `follow` is set and the relay, if there is one, has passed everything on."""
    await follow.wait()
    await settle_relay(bundle)
    settled.set()


async def _wait_for_pid(directory: Path, task: asyncio.Task[None], watches: Watches) -> int:
    """Return the process' pid once the runtime has written it; 0 when the runtime has ended without."""
    changed = asyncio.Event()
    mask = syscalls.IN_CREATE | syscalls.IN_MOVED_TO | syscalls.IN_CLOSE_WRITE
    watch = watches.add(str(directory), mask, lambda _event: changed.set())
    task.add_done_callback(lambda _task: changed.set())
    try:
        while (pid := _read_pid(directory)) == 0 and not task.done():
            await changed.wait()
            changed.clear()
        return pid or _read_pid(directory)
    finally:
        if watch is not None:
            watches.remove(watch)


def _read_pid(directory: Path) -> int:
    try:
        return int((directory / "pid").read_text() or "0")
    except FileNotFoundError:
        return 0


def _clear_up(bundles_path: Path) -> None:
    """Remove what a daemon that died has left of execs that it was about to begin: nobody is there for them any more."""
    for path in bundles_path.glob(f"*/{_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
