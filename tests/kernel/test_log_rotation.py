"""Logs of real containers, rotated under their writers' hands."""

import asyncio
import contextlib
import functools
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from controller.kernel.logs.log_files import list_numbers, number_path
from controller.kernel.logs.logs import read_log, read_previous_run
from controller.kernel.logs.rotation import LogRotator
from controller.kernel.processes.attaching import connect
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.gates import Gates
from controller.kernel.watches import Watches
from controller.model.facts import ProcessState
from controller.plan.logs import LogDefaults
from tests.contract.containers import DEADLINE_S, LOG_MAX_BYTES, WEB, ContainerPorts, linux_containers
from tests.kernel.box import collect

_LINES = 20_000
_COUNTS = ["sh", "-c", f"i=0; while [ $i -lt {_LINES} ]; do echo $i; i=$((i+1)); done"]


@pytest.fixture
async def linux() -> AsyncIterator[ContainerPorts]:
    """Containers whose logs go on in a new file at LOG_MAX_BYTES, three files at most."""
    async with linux_containers("", Gates()) as ports:
        yield ports


@pytest.fixture
def log_path(linux: ContainerPorts) -> Path:
    """The log of the container."""
    return Path(linux.layout.log_path(WEB))


async def _read_numbers(path: Path, *, follow: asyncio.Event | None = None, until: int = -1) -> list[int]:
    text = b""
    with contextlib.closing(Watches()) as watches:
        async for line in read_log(path, watches, follow=follow, since=None, tail=None):
            text += line.data
            if until >= 0 and text.endswith(f"\n{until}\n".encode()):
                break
    return [int(number) for number in text.split()]


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.005)


async def test_a_follower_misses_nothing_and_reads_nothing_twice(
    linux: ContainerPorts, log_path: Path
) -> None:
    halves = f"i=0; for end in {_LINES // 2} {_LINES}; do"
    script = f"{halves} while [ $i -lt $end ]; do echo $i; i=$((i+1)); done; read x; done"
    await linux.create(WEB, command=["sh", "-c", script], stdinOpen=True, logging={"maxFiles": 1000})
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_numbers(log_path, follow=asyncio.Event(), until=_LINES - 1))
        session = await connect(Bundle(linux.layout, WEB), tasks.create_task)
        tasks.create_task(collect(session))
        await linux.processes.start(WEB)
        for half in (1, 2):
            await _until(lambda: len(list_numbers(log_path)) >= half)  # noqa: B023 - called at once
            await session.write(b"\n")
    assert reading.result() == list(range(_LINES))
    assert await _read_numbers(log_path) == list(range(_LINES))


async def test_the_oldest_files_go_and_the_newest_lines_stay(linux: ContainerPorts, log_path: Path) -> None:
    await linux.run(WEB, command=_COUNTS)
    await linux.wait_for(WEB, ProcessState.STOPPED)
    await _until(lambda: len(list_numbers(log_path)) <= 2)
    numbers = await _read_numbers(log_path)
    assert numbers == list(range(numbers[0], _LINES))
    assert sorted(path.name for path in log_path.parent.iterdir() if path.suffix[1:].isdigit()) == [
        number_path(log_path, number).name for number in list_numbers(log_path)
    ]


async def test_a_single_file_is_begun_anew(linux: ContainerPorts, log_path: Path) -> None:
    await linux.run(WEB, command=_COUNTS, logging={"maxFiles": 1})
    await linux.wait_for(WEB, ProcessState.STOPPED)
    assert list_numbers(log_path) == []
    assert log_path.stat().st_size <= LOG_MAX_BYTES
    assert (await _read_numbers(log_path))[-1] == _LINES - 1


async def test_a_crash_between_the_two_steps_loses_nothing(linux: ContainerPorts, log_path: Path) -> None:
    """The file has its number and conmon was not asked: the next daemon asks, and gives no other number."""
    await linux.run(WEB, command=["sh", "-c", "seq 0 9999; exec sleep 1000"], logging={"maxSize": "1g"})
    await _until(lambda: log_path.exists() and log_path.stat().st_size > 2 * LOG_MAX_BYTES)
    os.link(log_path, number_path(log_path, 1))
    origin_path = Bundle(linux.layout, WEB).path / "origin.json"
    origin = json.loads(origin_path.read_text()) | {"log_max_bytes": LOG_MAX_BYTES}
    origin_path.write_text(json.dumps(origin))
    async with LogRotator(layout=linux.layout, defaults=LogDefaults(max_bytes=1, max_files=3)):
        await _until(lambda: not log_path.samefile(number_path(log_path, 1)))
    assert list_numbers(log_path) == [1]
    await _until(lambda: _count_lines(log_path) == 10_000)
    assert await _read_numbers(log_path) == list(range(10_000))


def _count_lines(path: Path) -> int:
    paths = [*(number_path(path, number) for number in list_numbers(path)), path]
    return sum(each.read_bytes().count(b" F ") for each in paths)


async def test_what_the_previous_process_wrote(linux: ContainerPorts, log_path: Path) -> None:
    for text in ("one", "two", "three"):
        await linux.run(WEB, command=["echo", text])
        await linux.wait_for(WEB, ProcessState.STOPPED)
    read = functools.partial(read_log, log_path, Watches())
    lines = [line.data async for line in read_previous_run(log_path, read, since=None, tail=None)]
    assert lines == [b"two\n"]
    whole = [line.data async for line in read_log(log_path, Watches(), follow=None, since=None, tail=None)]
    assert whole == [b"one\n", b"two\n", b"three\n"]
