"""Containers of a test host, and ways into them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.sessions import ContainerSessions
from controller.kernel.subprocesses import Runner
from controller.model.facts import ProcessState
from controller.ports import ExecWant, LogLine, Session, Stream
from tests.contract.containers import DEADLINE_S, WEB, ContainerPorts, linux_containers


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a process wrote, and its exit code (None for an attachment)."""

    out: bytes
    err: bytes
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The ports, and the sessions that go with them."""

    ports: ContainerPorts
    sessions: ContainerSessions

    async def run(self, script: str) -> list[str]:
        """Run a shell script as a container until it ends; returns the lines that it wrote."""
        await self.ports.run(WEB, command=["sh", "-c", script])
        await self.ports.wait_for(WEB, ProcessState.STOPPED)
        return b"".join([line.data for line in await self.read_log()]).decode().splitlines()

    async def read_log(self, *, tail: int | None = None) -> list[LogLine]:
        """Return the lines of the log."""
        return [line async for line in self.sessions.logs(WEB, follow=None, since=None, tail=tail)]

    async def exec(self, want: ExecWant) -> Output:
        """Run a further process to its end."""
        return await collect(await self.sessions.exec(WEB, want))


async def collect(session: Session) -> Output:
    """Return what a session gives until its end; TimeoutError after DEADLINE_S."""
    received = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async with asyncio.timeout(DEADLINE_S):
        async for stream, data in session.output():
            received[stream] += data
        code = await session.exit_code()
    await session.close()
    return Output(out=received[Stream.STDOUT], err=received[Stream.STDERR], code=code)


@asynccontextmanager
async def open_box(runtime: str) -> AsyncIterator[Box]:
    """Containers with a runtime; nothing of theirs is left at the end."""
    gates = Gates()
    async with linux_containers(runtime, gates) as ports:
        layout = ports.layout
        sessions = ContainerSessions(
            layout=layout, runner=Runner(), cgroups=Cgroups.find(layout.instance), gates=gates
        )
        async with sessions:
            yield Box(ports=ports, sessions=sessions)
