"""Drivers of logs with real containers: the systemd journal, compressed files, none."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from controller.errors import Unsupported
from controller.model.facts import ProcessState
from controller.ports import LogLine, Stream
from tests.contract.containers import DEADLINE_S, LOG_MAX_BYTES, WEB
from tests.kernel.box import Box, collect, open_box
from tests.kernel.journals import running_journal

_JOURNAL = {"driver": "journald"}
_SPEAKS = "echo out; head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'no\\xffend'"
_SPOKEN = b"out\n" + b"x" * 20000 + b"\nno\xffend"


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    """Containers with the runtime that is chosen by default."""
    async with open_box("") as opened:
        yield opened


@pytest.fixture
def journal() -> Iterator[None]:
    """A systemd journal of the test host's own, in memory."""
    with running_journal():
        yield


async def _read(box: Box, *, tail: int | None = None, previous: bool = False) -> list[LogLine]:
    lines = box.sessions.logs(WEB, follow=None, since=None, tail=tail, previous=previous)
    return [line async for line in lines]


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.005)


def _join(lines: list[LogLine], stream: Stream = Stream.STDOUT) -> bytes:
    return b"".join(line.data for line in lines if line.stream is stream)


async def _run(box: Box, script: str, logging: Mapping[str, object]) -> None:
    await box.ports.run(WEB, command=["sh", "-c", script], logging=logging)
    await box.ports.wait_for(WEB, ProcessState.STOPPED)


def _show_last_entry() -> str:
    command = ["journalctl", "-o", "verbose", "-n", "1", f"CONTAINER_ID_FULL={WEB}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("journal")
async def test_the_journal_keeps_every_byte_and_gives_it_back(box: Box) -> None:
    await _run(box, _SPEAKS, {"driver": "journald", "tag": "{{.Name}} of {{.ID}}"})
    lines = await _read(box)
    assert _join(lines) == _SPOKEN
    assert _join(await _read(box, tail=2)) == _SPOKEN.removeprefix(b"out\n")
    assert await _read(box, tail=0) == []
    later = box.sessions.logs(WEB, follow=None, since=lines[-1].at, tail=None)
    assert [line async for line in later][-1:] == lines[-1:]
    entry = await asyncio.to_thread(_show_last_entry)
    assert "CONTAINER_NAME=c1111\n" in entry
    assert "CONTAINER_TAG=c1111 of 111111111111\n" in entry
    await _run(box, "echo again; echo err >&2", _JOURNAL)
    assert _join(await _read(box, previous=True)) == _SPOKEN
    both = (await _read(box, tail=2))[-2:]
    assert (_join(both), _join(both, Stream.STDERR)) == (b"again\n", b"err\n")


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("tail", [None, 1])
async def test_the_journal_is_followed_to_the_end(box: Box, tail: int | None) -> None:
    script = "echo 1; echo 2; read x; echo $x; read x; echo $x"
    await box.ports.run(WEB, command=["sh", "-c", script], stdinOpen=True, logging=_JOURNAL)
    session = await box.sessions.attach(WEB)
    rest = asyncio.Event()
    lines = box.sessions.logs(WEB, follow=rest, since=None, tail=tail)
    async with asyncio.timeout(DEADLINE_S):
        while len(await _read(box)) < 2:  # noqa: ASYNC110 - the journal tells only those who follow
            await asyncio.sleep(0.005)
        told = b""
        while not told.endswith(b"2\n"):
            told += (await anext(lines)).data
        await session.write(b"3\n")
        told += (await anext(lines)).data
        await session.write(b"4\n")
        await box.ports.wait_for(WEB, ProcessState.STOPPED)
        rest.set()
        told += b"".join([line.data async for line in lines])
    assert told == (b"1\n2\n3\n4\n" if tail is None else b"2\n3\n4\n")
    await session.close()


@pytest.mark.usefixtures("journal")
async def test_who_follows_the_journal_of_a_deleted_container_is_let_go(box: Box) -> None:
    await box.ports.run(WEB, logging=_JOURNAL)
    lines = box.sessions.logs(WEB, follow=asyncio.Event(), since=None, tail=None)

    async def follow() -> list[LogLine]:
        return [line async for line in lines]

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow())
        await box.ports.processes.delete(WEB)
        await box.ports.roots.unmount(WEB)
        await box.ports.roots.delete(WEB)
    assert following.result() == []


async def test_without_a_journal_nothing_is_started(box: Box) -> None:
    with pytest.raises(Unsupported, match="no journal runs on this host"):
        await box.ports.create(WEB, logging=_JOURNAL)
    assert await box.ports.processes.list() == ()


async def test_none_keeps_nothing(box: Box) -> None:
    await _run(box, "echo out", {"driver": "none"})
    with pytest.raises(Unsupported, match="does not support reading"):
        box.sessions.logs(WEB, follow=None, since=None, tail=None)
    log_path = Path(box.ports.layout.log_path(WEB))
    assert not log_path.exists()
    await _run(box, "echo file", {})
    assert _join(await _read(box)) == b"file\n"


async def test_local_files_are_compressed_while_somebody_reads(box: Box) -> None:
    rounds, each = 4, 5000
    script = (
        f"i=0; while read x; do n=0; while [ $n -lt {each} ]; do echo $i; i=$((i+1)); n=$((n+1)); done; done"
    )
    logging = {"driver": "local", "maxSize": LOG_MAX_BYTES, "maxFiles": 1000}
    await box.ports.create(WEB, command=["sh", "-c", script], stdinOpen=True, logging=logging)
    log_path = Path(box.ports.layout.log_path(WEB))
    rest = asyncio.Event()
    told = bytearray()

    async def follow() -> None:
        nonlocal told
        async for line in box.sessions.logs(WEB, follow=rest, since=None, tail=None):
            told += line.data

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        session = await box.sessions.attach(WEB)
        tasks.create_task(collect(session))
        await box.ports.processes.start(WEB)
        for number in range(rounds):
            packed = len(_list_packed(log_path))
            await session.write(b"\n")
            last = b"%d\n" % ((number + 1) * each - 1)
            await _until(lambda: told.endswith(last))  # noqa: B023 - called at once
            await _until(lambda: len(_list_packed(log_path)) > packed)  # noqa: B023
        await session.close_stdin()
        await box.ports.wait_for(WEB, ProcessState.STOPPED)
        rest.set()
    expected = [b"%d" % number for number in range(rounds * each)]
    assert told.split() == expected
    assert _join(await _read(box)).split() == expected
    assert _join(await _read(box, tail=rounds * each - 1)).split() == expected[1:]
    assert len(_list_packed(log_path)) >= rounds


def _list_packed(log_path: Path) -> list[Path]:
    return list(log_path.parent.glob("*.gz"))
