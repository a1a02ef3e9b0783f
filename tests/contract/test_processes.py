"""What every adapter of Processes promises."""

import asyncio
import contextlib
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from controller.errors import Refused
from controller.model.facts import ProcessState
from controller.model.layout import Layout
from tests.contract.containers import DB, WEB, Behaviour, ContainerPorts

_DEADLINE_S = 20.0
FILE_ON_A_DIRECTORY = {"type": "bind", "source": "/etc/passwd", "target": "/etc"}


async def test_a_created_one_waits_to_be_started(containers: ContainerPorts) -> None:
    want = await containers.create(WEB)
    facts = await containers.processes.read(WEB)
    assert facts is not None
    assert (facts.state, facts.started_at, facts.exit_code) == (ProcessState.CREATED, None, None)
    assert (facts.spec_hash, facts.run) == (want.spec_hash, want.run)
    assert facts.pid > 0


async def test_a_started_one_runs(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    facts = await containers.processes.read(WEB)
    assert facts is not None
    assert (facts.state, facts.finished_at, facts.exit_code) == (ProcessState.RUNNING, None, None)
    assert facts.started_at is not None


async def test_starting_again_changes_nothing(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    before = await containers.processes.read(WEB)
    await containers.processes.start(WEB)
    assert await containers.processes.read(WEB) == before


async def test_the_exit_code_of_one_that_ended_is_known(containers: ContainerPorts) -> None:
    await containers.run(WEB, Behaviour.ENDS)
    facts = await containers.wait_for(WEB, ProcessState.STOPPED)
    assert (facts.exit_code, facts.pid, facts.oom_killed, facts.error) == (7, 0, False, "")
    assert facts.started_at is not None
    assert facts.finished_at is not None


async def test_one_ended_by_a_signal_has_its_number_for_a_code(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.processes.signal(WEB, signal.SIGKILL)
    assert (await containers.wait_for(WEB, ProcessState.STOPPED)).exit_code == 128 + signal.SIGKILL
    await containers.processes.signal(WEB, signal.SIGKILL)


async def test_one_that_is_missing_is_left_alone(containers: ContainerPorts) -> None:
    assert await containers.processes.read(WEB) is None
    await containers.processes.signal(WEB, signal.SIGKILL)
    await containers.processes.delete(WEB)
    assert await containers.processes.list() == ()


async def test_all_are_listed(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.create(DB)
    states = {facts.uid: facts.state for facts in await containers.processes.list()}
    assert states == {WEB: ProcessState.RUNNING, DB: ProcessState.CREATED}


@pytest.mark.parametrize("started", [True, False])
async def test_a_deleted_one_is_gone(containers: ContainerPorts, *, started: bool) -> None:
    await (containers.run(WEB) if started else containers.create(WEB))
    await containers.processes.delete(WEB)
    assert await containers.processes.read(WEB) is None
    assert await containers.processes.list() == ()
    assert await containers.limits.read(WEB) is None
    await containers.processes.delete(WEB)


async def test_the_remains_of_one_give_way_to_the_next(containers: ContainerPorts) -> None:
    await containers.run(WEB, Behaviour.ENDS)
    await containers.wait_for(WEB, ProcessState.STOPPED)
    await containers.processes.create(containers.derive_want(WEB, run=3))
    facts = await containers.processes.read(WEB)
    assert facts is not None
    assert (facts.state, facts.run, facts.exit_code) == (ProcessState.CREATED, 3, None)


async def test_the_next_daemon_knows_the_same(containers: ContainerPorts) -> None:
    await containers.run(WEB, run=5)
    await containers.create(DB)
    before = await containers.processes.list()
    after = await containers.reopen().list()
    assert sorted(after, key=lambda facts: facts.uid) == sorted(before, key=lambda facts: facts.uid)
    await containers.reopen().start(DB)
    assert (await containers.wait_for(DB, ProcessState.RUNNING)).pid > 0


async def test_the_next_daemon_learns_how_one_ended(containers: ContainerPorts) -> None:
    want = await containers.run(WEB, Behaviour.ENDS)
    await containers.wait_for(WEB, ProcessState.STOPPED)
    facts = await containers.reopen().read(WEB)
    assert facts is not None
    assert (facts.state, facts.exit_code, facts.spec_hash) == (ProcessState.STOPPED, 7, want.spec_hash)
    await containers.reopen().delete(WEB)
    assert await containers.processes.read(WEB) is None


async def test_a_paused_one_goes_on_when_resumed(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.freezer.pause(WEB)
    await containers.wait_for(WEB, ProcessState.PAUSED)
    await containers.freezer.resume(WEB)
    await containers.wait_for(WEB, ProcessState.RUNNING)


async def test_a_paused_one_can_be_deleted(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    await containers.freezer.pause(WEB)
    await containers.processes.delete(WEB)
    assert await containers.processes.read(WEB) is None


async def test_none_is_created_without_a_root(containers: ContainerPorts) -> None:
    with pytest.raises(Refused):
        await containers.processes.create(containers.derive_want(WEB))


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"command": ["nope"]}, 127, id="missing"),
        pytest.param({"command": ["/bin/nope"]}, 127, id="missing by path"),
        pytest.param({"command": ["/etc/passwd"]}, 126, id="not executable"),
        pytest.param({"command": ["/etc"]}, 126, id="a directory"),
        pytest.param({"command": ["sh"], "workingDir": "/etc/passwd"}, 126, id="working directory"),
    ],
)
async def test_a_program_that_can_not_be_run_has_ended(
    linux: ContainerPorts, fields: dict[str, Any], code: int
) -> None:
    with pytest.raises(Refused) as refusal:
        await linux.run(WEB, **fields)
    facts = await linux.processes.read(WEB)
    assert facts is not None
    assert (facts.state, facts.exit_code) == (ProcessState.STOPPED, code)
    assert facts.error == refusal.value.message
    assert await linux.reopen().read(WEB) == facts
    await linux.processes.delete(WEB)
    assert await linux.processes.read(WEB) is None


@pytest.mark.kernel
async def test_what_the_runtime_does_not_like_leaves_nothing(linux: ContainerPorts) -> None:
    with pytest.raises(Refused):
        await linux.create(WEB, mounts=[FILE_ON_A_DIRECTORY])
    assert await linux.processes.read(WEB) is None


@pytest.mark.kernel
async def test_running_out_of_memory_is_told(linux: ContainerPorts) -> None:
    grow = ["sh", "-c", "x=a; while true; do x=$x$x; done"]
    await linux.run(WEB, command=grow, resources={"memory": "8MiB"})
    facts = await linux.wait_for(WEB, ProcessState.STOPPED)
    assert (facts.exit_code, facts.oom_killed) == (137, True)


@pytest.mark.kernel
async def test_one_that_lost_its_root_can_be_deleted(linux: ContainerPorts) -> None:
    await linux.run(WEB)
    await linux.roots.unmount(WEB)
    await linux.processes.delete(WEB)
    assert await linux.processes.read(WEB) is None


@pytest.mark.kernel
@pytest.mark.parametrize("lost", [("bundles_path",), ("bundles_path", "runtime_state_path", "exits_path")])
async def test_one_whose_files_were_removed_is_known_by_what_else_there_is(
    linux: ContainerPorts, lost: tuple[str, ...]
) -> None:
    await linux.run(WEB)
    running = await linux.wait_for(WEB, ProcessState.RUNNING)
    for place in lost:
        shutil.rmtree(getattr(linux.layout, place))
    for processes in (linux.processes, linux.reopen()):
        remains = await processes.read(WEB)
        assert remains is not None
        assert (remains.state, remains.started_at, remains.error) == (ProcessState.STOPPED, None, "")
    await linux.processes.create(linux.derive_want(WEB, run=2))
    again = await linux.processes.read(WEB)
    assert again is not None
    assert (again.state, again.run) == (ProcessState.CREATED, 2)
    await _wait_for_end(running.pid)
    for place in lost:
        shutil.rmtree(getattr(linux.layout, place))
    await linux.processes.delete(WEB)
    assert await linux.processes.read(WEB) is None
    await _wait_for_end(again.pid)


async def _wait_for_end(pid: int) -> None:
    """Return when a process that was killed has been reaped, by the host's first process in its own time."""
    async with asyncio.timeout(_DEADLINE_S):
        while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


@pytest.mark.kernel
async def test_the_log_outlives_the_process(linux: ContainerPorts) -> None:
    await linux.run(WEB, command=["echo", "hello"])
    await linux.wait_for(WEB, ProcessState.STOPPED)
    await linux.processes.delete(WEB)
    assert _read_log(linux).endswith(" stdout F hello\n")


@pytest.mark.kernel
async def test_what_is_gone_leaves_no_trace(host_left_as_found: None, linux: ContainerPorts) -> None:
    del host_left_as_found
    with contextlib.suppress(Refused):
        await linux.run(DB, command=["nope"])
    await linux.run(WEB)
    for uid in (WEB, DB):
        await linux.processes.delete(uid)
    assert _list_files(linux.layout) == []


@pytest.mark.kernel
async def test_the_working_directory_is_made(linux: ContainerPorts) -> None:
    await linux.run(WEB, command=["pwd"], workingDir="/srv/deep/down")
    await linux.wait_for(WEB, ProcessState.STOPPED)
    assert _read_log(linux).endswith(" stdout F /srv/deep/down\n")


def _read_log(linux: ContainerPorts) -> str:
    return Path(linux.layout.log_path(WEB)).read_text()


def _list_files(layout: Layout) -> list[Path]:
    places = (layout.bundles_path, layout.runtime_state_path, layout.exits_path)
    return [path for place in places for path in Path(place).iterdir()]


async def test_a_process_lives_on_without_its_monitor(containers: ContainerPorts) -> None:
    await containers.run(WEB)
    facts = await containers.wait_for(WEB, ProcessState.RUNNING)
    assert facts.monitored
    containers.lose_monitor(WEB)
    alone = await containers.wait_until(WEB, lambda found: not found.monitored)
    assert (alone.state, alone.pid) == (ProcessState.RUNNING, facts.pid)
    assert await containers.reopen().read(WEB) == alone
    await containers.processes.signal(WEB, 9)
    ended = await containers.wait_for(WEB, ProcessState.STOPPED)
    assert (ended.exit_code, ended.pid, ended.monitored) == (None, 0, True)
    await containers.run(WEB)
    assert (await containers.wait_for(WEB, ProcessState.RUNNING)).monitored
