"""The process that enters containers for health checks, as the daemon sees it: `ProbeHelper(runner=Runner())`."""

import asyncio
import contextlib
import itertools
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.errors import Exhausted, HoldError, NotFound, Unavailable
from controller.kernel.probe_child import GONE, LATE
from controller.kernel.subprocesses import Child, Runner, Stdio
from controller.model.health import ProbeOutcome

_ROOT_PATH = Path(__file__).parents[2]
_PROGRAM = "import sys; sys.path.append(sys.argv[2]); from controller.kernel.probe_child import main; main(int(sys.argv[1]))"
"""Without `site`, which would make the process larger; so it has to be told where its modules are."""

_MOST_ANSWER_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """A program to run by the context file of a container, whose first process has this pid and start time."""

    pid: int
    birth: str
    context_path: str
    arguments: tuple[str, ...]
    timeout_s: float


class ProbeHelper:
    """Starts the process when it is first needed, and again when it has died; it ends with the daemon.

    Use as an asynchronous context manager around everything that calls it.
    """

    def __init__(self, *, runner: Runner) -> None:
        self._runner = runner
        self._group = asyncio.TaskGroup()
        self._door: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[ProbeOutcome]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        await self._group.__aexit__(kind, error, trace)

    async def run(self, request: ProbeRequest) -> ProbeOutcome:
        """Run a program in a container; kills it when cancelled.

        NotFound when the container has ended, Unavailable when the process dies over it, Exhausted when it can't keep up.
        """
        door = self._door or self._open()
        identity = next(self._numbers)
        place = (request.timeout_s, request.pid, request.birth, request.context_path)
        answer: asyncio.Future[ProbeOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = answer
        try:
            self._send(door, identity, *place, *request.arguments)
            outcome = await answer
        except asyncio.CancelledError:
            with contextlib.suppress(Exhausted, Unavailable):
                self._send(door, identity)
            raise
        finally:
            self._waiting.pop(identity, None)
        return outcome

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.settimeout(0)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            stdio = Stdio(extra_fds=(theirs.fileno(),))
            command = (sys.executable, "-I", "-S", "-c", _PROGRAM, str(theirs.fileno()), str(_ROOT_PATH))
            try:
                child = self._runner.spawn(*command, stdio=stdio)
            except HoldError:
                ours.close()
                raise
        self._group.create_task(_reap(child))
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive, ours)
        self._door = ours
        return ours

    def _send(self, door: socket.socket, *fields: object) -> None:
        try:
            door.send(os.fsencode("".join(f"{field}\0" for field in fields)))
        except BlockingIOError as exc:
            raise Exhausted("more health checks are due than can be started") from exc
        except OSError as exc:
            raise Unavailable(
                f"the health check can't be started: {exc.strerror}", retry_after_s=1.0
            ) from exc

    def _receive(self, door: socket.socket) -> None:
        try:
            data = door.recv(_MOST_ANSWER_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        identity, code, output = os.fsdecode(data).split("\0", 2)
        waiting = self._waiting.get(int(identity))
        if waiting is None or waiting.done():
            return
        if code == GONE:
            waiting.set_exception(NotFound("the container has ended"))
        else:
            text = os.fsencode(output).decode(errors="replace")
            waiting.set_result(ProbeOutcome(exit_code=-1 if code == LATE else int(code), output=text))

    def _close(self) -> None:
        """Let the process end, if it has not, and fail what still waits for it."""
        if self._door is None:
            return
        asyncio.get_running_loop().remove_reader(self._door.fileno())
        self._door.close()
        self._door = None
        for waiting in self._waiting.values():
            if not waiting.done():
                words = "the process that runs health checks has ended"
                waiting.set_exception(Unavailable(words, retry_after_s=1.0))


async def _reap(child: Child) -> None:
    await child.wait()
