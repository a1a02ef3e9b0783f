"""The process that enters containers for health checks, as the daemon sees it: `ProbeHelper(runner=Runner())`."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.errors import Exhausted, HoldError, NotFound, Unavailable, Unsupported
from controller.kernel.health.probe_child import BEGUN, GONE, LATE
from controller.kernel.subprocesses import Child, Runner, Stdio
from controller.kernel.syscalls import (
    AT_FDCWD,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
    mount_setattr_read_only,
    open_tree,
)
from controller.model.health import ProbeOutcome

_ROOT_PATH = Path(__file__).parents[3]
_PROGRAM = """import sys
sys.path.append(sys.argv.pop())
from controller.kernel.health.probe_child import main
main(*map(int, sys.argv[1:]))"""
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


class _Asked:
    """A check that is asked for, with its process once that has gone on for a while."""

    def __init__(self, answer: asyncio.Future[ProbeOutcome]) -> None:
        self.answer = answer
        self._pidfd = -1

    def hold(self, pid: int) -> None:
        """Remember the process, which the helper has not waited for yet when it tells of it."""
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(pid)

    def end(self) -> None:
        """Kill the process, which outlives the helper."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)


class ProbeHelper:
    """Starts the process when it is first needed, and again when it has died; it ends with the daemon.

    Use as an asynchronous context manager around everything that calls it.
    """

    def __init__(self, *, runner: Runner) -> None:
        self._runner = runner
        self._group = asyncio.TaskGroup()
        self._door: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Asked] = {}

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

        NotFound when the container has ended, Unavailable when the process dies over it, Exhausted when it can't keep up,
        Unsupported when the host can't have that process.
        """
        door = self._door or self._open()
        identity = next(self._numbers)
        place = (request.timeout_s, request.pid, request.birth, request.context_path)
        asked = self._waiting[identity] = _Asked(asyncio.get_running_loop().create_future())
        try:
            self._send(door, identity, *place, *request.arguments)
            outcome = await asked.answer
        except asyncio.CancelledError:
            with contextlib.suppress(Exhausted, Unavailable):
                self._send(door, identity)
            raise
        finally:
            del self._waiting[identity]
            asked.close()
        return outcome

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.settimeout(0)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            try:
                child = self._start(theirs.fileno())
            except HoldError:
                ours.close()
                raise
        self._group.create_task(_reap(child))
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive, ours)
        self._door = ours
        return ours

    def _start(self, door_fd: int) -> Child:
        """Start the program. Its children can be seen in containers, so that their executable must not be open to writers there."""
        program_fd = _open_read_only(os.path.realpath(sys.executable))
        try:
            fds = (door_fd, program_fd)
            command = (sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, fds), str(_ROOT_PATH))
            return self._runner.spawn(
                *command, stdio=Stdio(extra_fds=fds), executable_path=f"/proc/self/fd/{program_fd}"
            )
        finally:
            os.close(program_fd)

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
        asked = self._waiting.get(int(identity))
        if asked is None or asked.answer.done():
            return
        if code == GONE:
            asked.answer.set_exception(NotFound("the container has ended"))
        elif code == BEGUN:
            asked.hold(int(output))
        else:
            text = os.fsencode(output).decode(errors="replace")
            asked.answer.set_result(ProbeOutcome(exit_code=-1 if code == LATE else int(code), output=text))

    def _close(self) -> None:
        """Let the process end, if it has not, and fail what still waits for it."""
        if self._door is None:
            return
        asyncio.get_running_loop().remove_reader(self._door.fileno())
        self._door.close()
        self._door = None
        for asked in self._waiting.values():
            if not asked.answer.done():
                asked.end()
                words = "the process that runs health checks has ended"
                asked.answer.set_exception(Unavailable(words, retry_after_s=1.0))


def _open_read_only(path: str) -> int:
    """Return a file by a mount of its own, which is nowhere and read-only: /proc/PID/exe of who runs it leads there.

    Unsupported before Linux 5.12.
    """
    try:
        fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    except OSError as exc:
        raise Unsupported(f"{path} can't be mounted read-only: {exc.strerror}") from exc
    try:
        mount_setattr_read_only(fd)
    except OSError as exc:
        os.close(fd)
        raise Unsupported(f"{path} can't be mounted read-only: {exc.strerror}") from exc
    return fd


async def _reap(child: Child) -> None:
    await child.wait()
