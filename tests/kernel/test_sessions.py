"""Ways into containers: attach, exec, logs."""

import asyncio
from pathlib import Path

import pytest

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.sessions import ContainerSessions
from controller.kernel.subprocesses import Runner
from controller.model.facts import ProcessState
from controller.ports import ExecWant, Stream
from tests.contract.containers import DEADLINE_S, WEB
from tests.kernel.box import Box, Output, collect, open_box


def _shell(script: str, *, terminal: bool = False) -> ExecWant:
    return ExecWant(arguments=("sh", "-c", script), tty=terminal, stdin=terminal)


async def test_an_attached_client_gets_the_first_byte(box: Box) -> None:
    gate = box.sessions.expect_attach("c1111")
    async with asyncio.TaskGroup() as group:
        command = ["sh", "-c", "echo first; read x; echo got $x; echo e >&2"]
        group.create_task(box.ports.run(WEB, command=command, stdinOpen=True))
        session = await box.sessions.attach(await gate.created())
        gate.open()
        await session.write(b"this\n")
        assert await collect(session) == Output(out=b"first\ngot this\n", err=b"e\n", code=None)


async def test_who_ends_with_input_unread_is_heard_to_the_end(box: Box) -> None:
    """The kernel tells of the input that conmon left behind before it gives what conmon has sent."""
    for _ in range(5):
        await box.ports.create(WEB, command=["sh", "-c", "echo out; echo err >&2"], stdinOpen=True)
        session = await box.sessions.attach(WEB)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(session.write(b"x" * 1_000_000))
            await box.ports.processes.start(WEB)
            await box.ports.wait_for(WEB, ProcessState.STOPPED)
            assert await collect(session) == Output(out=b"out\n", err=b"err\n", code=None)
            writing.cancel()
        await box.ports.processes.delete(WEB)


async def test_an_attached_terminal_has_the_size_of_the_clients(box: Box) -> None:
    script = 'until [ "$(stty size)" = "33 77" ]; do sleep 0.02; done; echo done'
    await box.ports.create(WEB, command=["sh", "-c", script], tty=True, stdinOpen=True)
    session = await box.sessions.attach(WEB)
    await session.resize(rows=33, columns=77)
    await box.ports.processes.start(WEB)
    assert (await collect(session)).out == b"done\r\n"


async def test_a_missing_process_can_not_be_attached_to(box: Box) -> None:
    with pytest.raises(NotFound):
        await box.sessions.attach(WEB)


async def test_a_creation_that_fails_is_told_at_the_gate(box: Box) -> None:
    gate = box.sessions.expect_attach("c1111")
    with pytest.raises(Refused):
        await box.ports.create(WEB, command=["sh"], workingDir="/etc/passwd")
    with pytest.raises(Exception, match="not a directory"):
        await gate.created()


async def test_exec_carries_streams_and_exit_code(box: Box) -> None:
    await box.ports.run(WEB)
    assert await box.exec(_shell("echo o; echo e >&2; exit 5")) == Output(out=b"o\n", err=b"e\n", code=5)
    assert (await box.exec(_shell("kill -9 $$"))).code == 137


async def test_what_a_dead_daemon_left_of_an_exec_is_cleared_up(box: Box) -> None:
    await box.ports.run(WEB)
    layout, gates = box.ports.layout, Gates()
    left_path = Path(layout.bundle_path(WEB), "exec-broken")
    left_path.mkdir()
    (left_path / "process.json").write_text("{}")
    cgroups = Cgroups.find(layout.instance)
    async with ContainerSessions(layout=layout, runner=Runner(), cgroups=cgroups, gates=gates):
        assert not left_path.exists()
    assert (await box.exec(_shell("exit 4"))).code == 4


async def test_exec_reads_standard_input_to_its_end(box: Box) -> None:
    await box.ports.run(WEB)
    session = await box.sessions.exec(WEB, ExecWant(arguments=("wc", "-c"), stdin=True))
    await session.write(b"x" * 300_000)
    await session.close_stdin()
    assert (await collect(session)).out.strip() == b"300000"


async def test_exec_is_who_and_where_it_is_asked_to_be(box: Box) -> None:
    await box.ports.run(WEB, environment={"A": "1", "B": "2"}, workingDir="/srv")
    plain = await box.exec(_shell("id -u; pwd; echo $A$B$HOME"))
    assert plain.out.split() == [b"0", b"/srv", b"12/"]
    want = ExecWant(
        arguments=("sh", "-c", "id; pwd; echo $A$B$C$HOME"),
        user="bob",
        working_dir="/etc",
        environment=(("B", "3"), ("C", "4")),
    )
    lines = (await box.exec(want)).out.decode().splitlines()
    assert lines == ["uid=7(bob) gid=8(bob) groups=8(bob),50(staff)", "/etc", "134/home/bob"]


async def test_exec_takes_part_in_the_container(box: Box) -> None:
    await box.ports.run(WEB, hostname="inside")
    output = await box.exec(_shell("hostname; cat /proc/1/comm"))
    assert output.out.split() == [b"inside", b"sleep"]


async def test_exec_has_a_terminal_of_the_clients_size(box: Box) -> None:
    await box.ports.run(WEB)
    script = 'until [ "$(stty size)" = "33 77" ]; do sleep 0.02; done; read x; test -t 1; echo $? $x $TERM'
    session = await box.sessions.exec(WEB, _shell(script, terminal=True))
    await session.resize(rows=33, columns=77)
    await session.write(b"word\n")
    output = await collect(session)
    assert output.out.split()[-3:] == [b"0", b"word", b"xterm"]
    assert output.code == 0


async def test_what_a_short_program_shows_at_a_terminal_is_seen() -> None:
    """crun carries a terminal's bytes too late for that, and hands it over when asked."""
    async with open_box("crun") as box:
        await box.ports.run(WEB)
        for _ in range(10):
            output = await box.exec(_shell("tty; exit 3", terminal=True))
            assert output == Output(out=b"/dev/pts/0\r\n", err=b"", code=3)


async def test_exec_at_a_terminal_ends_with_its_program(box: Box) -> None:
    """Others may hold the terminal open."""
    await box.ports.run(WEB)
    output = await box.exec(_shell("trap '' HUP; sleep 1000 & echo done", terminal=True))
    assert (output.out, output.code) == (b"done\r\n", 0)


@pytest.mark.parametrize(("program", "words"), [("nope", "not found"), ("/etc/passwd", "permission denied")])
async def test_exec_of_what_can_not_be_run_is_refused(box: Box, program: str, words: str) -> None:
    await box.ports.run(WEB)
    with pytest.raises(Refused, match=words):
        await box.sessions.exec(WEB, ExecWant(arguments=(program,)))
    with pytest.raises(Refused, match="no-one"):
        await box.sessions.exec(WEB, ExecWant(arguments=("true",), user="no-one"))


async def test_exec_needs_a_running_container(box: Box) -> None:
    with pytest.raises(Conflict):
        await box.sessions.exec(WEB, _shell("true"))
    await box.ports.create(WEB)
    with pytest.raises(Conflict):
        await box.sessions.exec(WEB, _shell("true"))
    await box.ports.processes.start(WEB)
    await box.ports.freezer.pause(WEB)
    with pytest.raises(Conflict, match="paused"):
        await box.sessions.exec(WEB, _shell("true"))


async def test_exec_ends_with_its_container(box: Box) -> None:
    await box.ports.run(WEB)
    session = await box.sessions.exec(WEB, _shell("echo up; sleep 1000"))
    output = session.output()
    assert await anext(output) == (Stream.STDOUT, b"up\n")
    await box.ports.processes.delete(WEB)
    async with asyncio.timeout(DEADLINE_S):
        assert await session.exit_code() == 137


async def test_the_log_has_the_last_lines(box: Box) -> None:
    assert await box.run("for i in 1 2 3 4; do echo $i; done; printf no-end") == [
        "1",
        "2",
        "3",
        "4",
        "no-end",
    ]
    assert b"".join([line.data for line in await box.read_log(tail=2)]) == b"4\nno-end"
    assert await box.read_log(tail=0) == []


async def test_the_log_begins_when_asked(box: Box) -> None:
    await box.run("echo 1; sleep 0.05; echo 2")
    last = (await box.read_log())[-1]
    later = [line async for line in box.sessions.logs(WEB, follow=None, since=last.at, tail=None)]
    assert later == [last]
    assert last.data.endswith(b"2\n")


async def test_the_log_of_nothing_is_empty(box: Box) -> None:
    assert await box.read_log() == []


async def test_a_followed_log_goes_on_until_the_container_is_deleted(box: Box) -> None:
    await box.ports.run(WEB, command=["sh", "-c", "echo 1; read x; echo $x"], stdinOpen=True)
    session = await box.sessions.attach(WEB)
    lines = box.sessions.logs(WEB, follow=asyncio.Event(), since=None, tail=None)
    async with asyncio.timeout(DEADLINE_S):
        assert (await anext(lines)).data == b"1\n"
        await session.write(b"2\n")
        assert (await anext(lines)).data == b"2\n"
        await box.ports.wait_for(WEB, ProcessState.STOPPED)
        await box.ports.processes.delete(WEB)
        await box.ports.roots.unmount(WEB)
        await box.ports.roots.delete(WEB)
        assert [line async for line in lines] == []
    await session.close()
