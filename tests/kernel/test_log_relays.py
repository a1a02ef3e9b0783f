"""Relays between conmon and what takes the output in: fields of the journal's entries, and lines that are dropped."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from controller.kernel.processes.bundles import Bundle
from controller.model.facts import ProcessState
from controller.ports import LogLine, Stream
from tests.contract.containers import DEADLINE_S, WEB
from tests.kernel.box import Box, collect, open_box
from tests.kernel.journals import Journal, running_journal

_MARKED = {"driver": "journald", "environmentRegex": "^(MODE|_team.x)$", "tag": "{{.Name}}!"}
_DROPPING = {"driver": "journald", "mode": "non-blocking", "maxBufferSize": "64k"}
_VARIABLES = {"MODE": "a\nb", "OTHER": "1", "_team.x": "red"}
_LINES = 20_000
_COUNTS = f"seq 1 {_LINES}"


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    """Containers with the runtime that is chosen by default."""
    async with open_box("") as opened:
        yield opened


@pytest.fixture
def journal() -> Iterator[Journal]:
    """A systemd journal of the test host's own, in memory."""
    with running_journal() as running:
        yield running


async def _read(box: Box) -> list[LogLine]:
    return [line async for line in box.sessions.logs(WEB, follow=None, since=None, tail=None)]


def _join(lines: list[LogLine], stream: Stream = Stream.STDOUT) -> bytes:
    return b"".join(line.data for line in lines if line.stream is stream)


async def _run(box: Box, script: str, logging: Mapping[str, object]) -> None:
    command = ["sh", "-c", script]
    await box.ports.run(WEB, command=command, logging=logging, environment=_VARIABLES, stdinOpen=True)


async def test_entries_of_the_journal_carry_variables(box: Box, journal: Journal) -> None:
    script = "echo out; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'no\\xffend'"
    await _run(box, script, _MARKED)
    await box.ports.wait_for(WEB, ProcessState.STOPPED)
    lines = await _read(box)
    assert _join(lines) == b"out\n" + b"x" * 20000 + b"\nno\xffend"
    assert _join(lines, Stream.STDERR) == b"err\n"
    entry = await asyncio.to_thread(journal.read_first, f"CONTAINER_ID_FULL={WEB}")
    told = {
        name: entry.get(name) for name in ("TEAM_X", "MODE", "OTHER", "MESSAGE", "PRIORITY", "CONTAINER_NAME")
    }
    assert told == {
        "TEAM_X": "red",
        "MODE": "a\nb",
        "OTHER": None,
        "MESSAGE": "out",
        "PRIORITY": "6",
        "CONTAINER_NAME": "c1111",
    }
    assert (entry["CONTAINER_TAG"], entry["SYSLOG_IDENTIFIER"], entry["CONTAINER_ID"]) == (
        "c1111!",
        "c1111!",
        "1" * 12,
    )


async def test_a_journal_that_is_stuck_keeps_nobody_waiting(box: Box, journal: Journal) -> None:
    with journal.stopped():
        await _run(box, _COUNTS, _DROPPING)
        await box.ports.wait_for(WEB, ProcessState.STOPPED)
    lines = await _read(box)
    heard, marks = _join(lines).split(), _join(lines, Stream.STDERR).decode()
    dropped = sum(map(int, re.findall(r"hold: (\d+) lines? w", marks)))
    assert dropped > 0
    assert len(heard) + dropped == _LINES
    assert heard[:100] == [b"%d" % number for number in range(1, 101)]


async def test_who_may_not_lose_a_line_waits_for_the_journal(box: Box, journal: Journal) -> None:
    with journal.stopped():
        script = "for i in $(seq 1 3000); do printf '%01000d\\n' $i; done"
        await _run(box, script, {"driver": "journald", "environment": ["MODE"]})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await box.ports.wait_for(WEB, ProcessState.STOPPED)
    await box.ports.wait_for(WEB, ProcessState.STOPPED)
    assert [int(word) for word in _join(await _read(box)).split()] == list(range(1, 3001))


@pytest.mark.parametrize("max_files", [1, 3])
async def test_files_keep_to_their_limits(box: Box, max_files: int) -> None:
    limits = {"maxSize": "16k", "maxFiles": max_files, "mode": "non-blocking"}
    await _run(box, f"for t in 1 2 3 4 5; do {_COUNTS}; sleep 0.1; done", limits)
    await box.ports.wait_for(WEB, ProcessState.STOPPED)
    numbers = [int(word) for word in _join(await _read(box)).split()]
    assert numbers[-1] == _LINES
    assert all(after in (before + 1, 1) for before, after in itertools.pairwise(numbers))
    log_path = Path(box.ports.layout.log_path(WEB))
    assert len(list(log_path.parent.glob("log*"))) <= max_files


async def test_a_relay_that_is_killed_is_made_again(box: Box) -> None:
    script = "while read x; do echo $x; done"
    await _run(box, script, {"mode": "non-blocking"})
    session = await box.sessions.attach(WEB)
    pids_path = Bundle(box.ports.layout, WEB).path / "relay.pids"
    watcher, first = map(int, pids_path.read_text().split())
    await session.write(b"one\n")
    async with asyncio.timeout(DEADLINE_S):
        while _join(await _read(box)) != b"one\n":  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.005)
        os.kill(first, signal.SIGKILL)
        await session.write(b"two\n")
        while _join(await _read(box)) != b"one\ntwo\n":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert pids_path.read_text().split()[0] == str(watcher)
    await session.close_stdin()
    assert (await collect(session)).out.endswith(b"two\n")
    await box.ports.wait_for(WEB, ProcessState.STOPPED)
    await box.ports.processes.delete(WEB)
    with contextlib.suppress(FileNotFoundError):
        assert str(WEB) not in Path(f"/proc/{watcher}/cmdline").read_text()
