"""What every adapter of Sessions promises about logs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from controller.errors import NotFound
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.sessions import ContainerSessions
from controller.kernel.subprocesses import Runner
from controller.model.facts import ProcessState
from controller.ports import LogLine, Sessions, Stream
from tests.contract.containers import DEADLINE_S, WEB, linux_containers
from tests.fakes.api_kernel import PlayedSessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Sessions, and a run of the container that writes three lines: its name with 1, 2, 3."""

    sessions: Sessions
    run: Callable[[str], Awaitable[None]]

    async def read(
        self, *, since: datetime | None = None, tail: int | None = None, previous: bool = False
    ) -> list[LogLine]:
        """Return the pieces of what is logged."""
        lines = self.sessions.logs(WEB, follow=None, since=since, tail=tail, previous=previous)
        return [line async for line in lines]


async def _play() -> AsyncIterator[Logged]:
    played = PlayedSessions()

    async def run(name: str) -> None:
        begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(played.lines))
        lines = [
            LogLine(
                at=begin + timedelta(seconds=number), stream=Stream.STDOUT, data=f"{name}{number}\n".encode()
            )
            for number in (1, 2, 3)
        ]
        if played.lines:
            played.previous_lines = played.lines[-3:]
        played.lines += lines

    yield Logged(sessions=played, run=run)


async def _open_linux() -> AsyncIterator[Logged]:
    gates = Gates()
    async with linux_containers("", gates) as ports:
        cgroups = Cgroups.find(ports.layout.instance)
        opened = ContainerSessions(layout=ports.layout, runner=Runner(), cgroups=cgroups, gates=gates)
        async with opened as sessions:

            async def run(name: str) -> None:
                await ports.run(WEB, command=["sh", "-c", f"for i in 1 2 3; do echo {name}$i; done"])
                await ports.wait_for(WEB, ProcessState.STOPPED)

            yield Logged(sessions=sessions, run=run)


@pytest.fixture(
    params=[
        pytest.param(_play, id="fake"),
        pytest.param(_open_linux, id="linux", marks=pytest.mark.kernel),
    ]
)
async def logged(request: pytest.FixtureRequest) -> AsyncIterator[Logged]:
    """The sessions."""
    async for opened in request.param():
        yield opened


def _split(pieces: list[LogLine]) -> list[bytes]:
    """Return the lines of pieces, of which each may have several."""
    return b"".join(piece.data for piece in pieces).splitlines()


async def test_lines_come_in_order_over_all_runs(logged: Logged) -> None:
    await logged.run("a")
    await logged.run("b")
    pieces = await logged.read()
    assert _split(pieces) == [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3"]
    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)
    assert {piece.stream for piece in pieces} == {Stream.STDOUT}


async def test_the_last_lines_alone(logged: Logged) -> None:
    await logged.run("a")
    assert _split(await logged.read(tail=2)) == [b"a2", b"a3"]
    assert _split(await logged.read(tail=99)) == [b"a1", b"a2", b"a3"]
    assert await logged.read(tail=0) == []


async def test_lines_from_a_time_on(logged: Logged) -> None:
    await logged.run("a")
    await logged.run("b")
    last = (await logged.read())[-1]
    assert await logged.read(since=last.at) == [last]
    assert await logged.read(since=datetime(2100, 1, 1, tzinfo=UTC)) == []


async def test_who_follows_is_told_the_rest_and_let_go(logged: Logged) -> None:
    await logged.run("a")
    rest = asyncio.Event()

    async def follow() -> list[LogLine]:
        return [piece async for piece in logged.sessions.logs(WEB, follow=rest, since=None, tail=None)]

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow())
        await logged.run("b")
        assert not following.done()
        rest.set()
    assert _split(following.result()) == [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3"]


async def test_the_previous_run_alone(logged: Logged) -> None:
    await logged.run("a")
    with pytest.raises(NotFound, match="no earlier run"):
        await logged.read(previous=True)
    await logged.run("b")
    assert _split(await logged.read(previous=True)) == [b"a1", b"a2", b"a3"]
