"""What every adapter of Sessions promises about ways into a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.sessions import ContainerSessions
from controller.kernel.subprocesses import Runner
from controller.model.ids import Uid
from controller.ports import ExecWant, Session, Stream
from tests.contract.containers import DB, DEADLINE_S, WEB, linux_containers
from tests.fakes.sessions import FakeProcess, FakeSessions

_ECHO = ("sh", "-c", "echo ready; while read x; do echo got $x; done; echo bye >&2; exit 5")
"""Repeats its standard input line by line and says goodbye at its end."""
_DEAF = ("sh", "-c", "echo up; sleep 1000")


class Ways(Protocol):
    """The part of Sessions that this is about."""

    async def attach(self, uid: Uid) -> Session: ...
    async def exec(self, uid: Uid, want: ExecWant) -> Session: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Sessions, and a container that is made, but does not run yet: `start` lets it run _ECHO, `kill` ends it."""

    sessions: Ways
    start: Callable[[], Awaitable[None]]
    kill: Callable[[], Awaitable[None]]

    async def exec(self, *arguments: str, tty: bool = False) -> Session:
        """Run a further program, with standard input."""
        return await self.sessions.exec(WEB, ExecWant(arguments=arguments, stdin=True, tty=tty))


async def _echo(process: FakeProcess) -> None:
    process.say(Stream.STDOUT, b"ready\n")
    while data := await process.stdin.get():
        process.say(Stream.STDOUT, b"got " + data)
    process.say(Stream.STDERR, b"bye\n")
    process.end(5)


async def _say_little(process: FakeProcess) -> None:
    process.say(Stream.STDOUT, b"up\n")


async def _open_fake() -> AsyncIterator[Inside]:
    async with asyncio.TaskGroup() as tasks:
        sessions = FakeSessions(tasks, {_ECHO: _echo, _DEAF: _say_little})
        process = sessions.create(WEB)

        async def start() -> None:
            sessions.start(WEB, _ECHO)

        async def kill() -> None:
            process.stdin.put_nowait(b"")
            sessions.kill(WEB)

        yield Inside(sessions=sessions, start=start, kill=kill)
        process.stdin.put_nowait(b"")


async def _open_linux() -> AsyncIterator[Inside]:
    gates = Gates()
    async with linux_containers("", gates) as ports:
        cgroups = Cgroups.find(ports.layout.instance)
        opened = ContainerSessions(layout=ports.layout, runner=Runner(), cgroups=cgroups, gates=gates)
        async with opened as sessions:
            await ports.create(WEB, command=list(_ECHO), stdinOpen=True)
            yield Inside(
                sessions=sessions,
                start=lambda: ports.processes.start(WEB),
                kill=lambda: ports.processes.delete(WEB),
            )


@pytest.fixture(
    params=[
        pytest.param(_open_fake, id="fake"),
        pytest.param(_open_linux, id="linux", marks=pytest.mark.kernel),
    ]
)
async def inside(request: pytest.FixtureRequest) -> AsyncIterator[Inside]:
    """The sessions."""
    async for opened in request.param():
        async with asyncio.timeout(DEADLINE_S):
            yield opened


async def _hear(session: Session, text: bytes, stream: Stream = Stream.STDOUT) -> None:
    """Return once a text was heard on a stream; what comes with it is left aside."""
    heard = b""
    async for its, data in session.output():
        heard += data if its is stream else b""
        if text in heard:
            return
    raise AssertionError(f"{text!r} was not heard, but {heard!r}")


async def _hear_all(session: Session) -> dict[Stream, bytes]:
    heard = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async for stream, data in session.output():
        heard[stream] += data
    return heard


async def test_exec_carries_both_ways_to_the_end(inside: Inside) -> None:
    await inside.start()
    session = await inside.exec(*_ECHO)
    await session.write(b"one\n")
    await _hear(session, b"got one\n")
    await session.write(b"two\n")
    await session.close_stdin()
    assert await _hear_all(session) == {Stream.STDOUT: b"got two\n", Stream.STDERR: b"bye\n"}
    assert (await session.exit_code(), await session.exit_code()) == (5, 5)
    await session.close()


async def test_what_is_said_after_the_end_is_lost(inside: Inside) -> None:
    await inside.start()
    session = await inside.exec(*_ECHO)
    await session.close_stdin()
    assert await session.exit_code() == 5
    await session.write(b"late\n")
    await session.resize(rows=10, columns=10)
    await session.close()
    await session.close()


async def test_who_leaves_an_exec_leaves_its_process_alone(inside: Inside) -> None:
    await inside.start()
    session = await inside.exec(*_DEAF)
    await _hear(session, b"up\n")
    await session.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await session.exit_code()
    await inside.kill()
    assert await session.exit_code() == 137


async def test_what_can_not_be_entered_is_told(inside: Inside) -> None:
    with pytest.raises(NotFound):
        await inside.sessions.attach(DB)
    with pytest.raises(Conflict):
        await inside.sessions.exec(DB, ExecWant(arguments=_ECHO))
    await inside.start()
    with pytest.raises(Refused, match="not found"):
        await inside.exec("/no/such/program")


async def test_all_who_are_attached_hear_all(inside: Inside) -> None:
    first, second, third = [await inside.sessions.attach(WEB) for _ in range(3)]
    await inside.start()
    for session in (first, second, third):
        await _hear(session, b"ready\n")
    await first.write(b"one\n")
    for session in (first, second, third):
        await _hear(session, b"got one\n")
    await second.write(b"two\n")
    await _hear(third, b"got two\n")
    await second.close()  # who leaves does not end standard input
    await third.write(b"three\n")
    await _hear(first, b"got three\n")
    await first.close_stdin()
    for session in (first, third):
        heard = await _hear_all(session)
        assert heard[Stream.STDERR] == b"bye\n"
        assert await session.exit_code() is None
    for session in (first, second, third):
        await session.close()
