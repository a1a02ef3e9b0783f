"""ContainerService: along with a container from its creation to its end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from controller.api.v1 import container_pb2, image_pb2, resource_pb2, state_pb2
from controller.errors import Refused
from controller.model.container import DesiredState, Phase
from controller.model.ids import Key, Uid
from controller.ports import LogLine, Stream
from tests.fakes.api_kernel import NOW, PlayedSession
from tests.unit.api_bench import Bench, container, opened_bench

LIMIT_S = 30


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(LIMIT_S):
        yield opened


def start_run(name: str = "web", *, detach: bool = False) -> container_pb2.RunRequest:
    start = container_pb2.RunStart(resource=container(name), detach=detach)
    return container_pb2.RunRequest(start=start)


async def test_run_is_attached_before_the_program_starts(bench: Bench) -> None:
    bench.sessions.session = session = PlayedSession()
    call = bench.containers.Run()
    await call.write(start_run())
    created = await call.read()
    assert created.created.metadata.name == "web"
    gate = bench.sessions.gates["web"]
    assert not gate.opened.is_set()
    gate.container.set_result(Uid(created.created.metadata.uid))
    await gate.opened.wait()

    await session.to_client.put((Stream.STDERR, b"first"))
    answer = await call.read()
    assert (answer.output.stream, answer.output.data) == ("stderr", b"first")
    await call.write(container_pb2.RunRequest(input={"data": b"hello"}))  # type: ignore[arg-type]
    await call.write(container_pb2.RunRequest(input={"resize": {"rows": 2, "columns": 3}}))  # type: ignore[arg-type]
    await call.write(container_pb2.RunRequest(input={"signal": "INT"}))  # type: ignore[arg-type]
    await call.write(container_pb2.RunRequest(input={"end": True}))  # type: ignore[arg-type]
    received = [await session.from_client.get() for _ in range(3)]
    assert received == [("data", b"hello"), ("resize", b"2x3"), ("end", b"")]
    assert await bench.processes.signals.get() == (Uid(created.created.metadata.uid), 2)

    await bench.report("web", phase=Phase.EXITED, exit_code=3)
    await session.to_client.put((Stream.STDOUT, b"last"))
    await session.to_client.put(None)
    assert (await call.read()).output.data == b"last"
    assert (await call.read()).exit.code == 3
    assert not isinstance(await call.read(), container_pb2.RunResponse)
    assert session.closed.is_set()


@pytest.mark.parametrize(
    ("error", "code"),
    [("exec: nope: not found", 127), ("exec: /x: permission denied", 126), ("no room", 125)],
)
async def test_a_program_that_cannot_start_ends_run_with_dockers_code(
    bench: Bench, error: str, code: int
) -> None:
    call = bench.containers.Run()
    await call.write(start_run())
    await call.read()
    await bench.report("web", phase=Phase.FAILED, error=error)
    answer = await call.read()
    assert (answer.exit.code, answer.exit.error) == (code, error)


async def test_a_container_that_removes_itself_still_tells_its_code(bench: Bench) -> None:
    call = bench.containers.Run()
    await call.write(start_run())
    uid = Uid((await call.read()).created.metadata.uid)
    await bench.report("web", phase=Phase.STOPPING, exit_code=7)
    await bench.store.retire(Key("Container", "web"), uid)
    await bench.store.forget(Key("Container", "web"), uid)
    assert (await call.read()).exit.code == 7


async def test_a_taken_name_is_refused(bench: Bench) -> None:
    await bench.apply(container("web"))
    call = bench.containers.Run()
    await call.write(start_run())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert bench.sessions.gates["web"].opened.is_set()


async def test_a_client_that_goes_away_leaves_the_container(bench: Bench) -> None:
    bench.sessions.session = session = PlayedSession()
    call = bench.containers.Run()
    await call.write(start_run())
    created = await call.read()
    gate = bench.sessions.gates["web"]
    gate.container.set_result(Uid(created.created.metadata.uid))
    await gate.opened.wait()
    call.cancel()
    await session.closed.wait()
    assert bench.find("web").metadata.deleted_at is None
    assert bench.processes.signals.empty()


async def test_an_error_while_attaching_reaches_the_client(bench: Bench) -> None:
    call = bench.containers.Run()
    await call.write(start_run())
    created = await call.read()
    bench.sessions.gates["web"].container.set_result(Uid(created.created.metadata.uid))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.EXITED])
async def test_detached_run_answers_once_started(bench: Bench, phase: Phase) -> None:
    call = bench.containers.Run()
    await call.write(start_run(detach=True))
    await call.read()
    await bench.report("web", phase=Phase.CREATING)
    await bench.report("web", phase=phase, pid=5 if phase is Phase.RUNNING else 0)
    assert (await call.read()).started.container_status.phase == phase
    assert not isinstance(await call.read(), container_pb2.RunResponse)


async def test_exec_tells_output_and_code(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=Phase.RUNNING, pid=5)
    bench.sessions.session = session = PlayedSession()
    call = bench.containers.Exec()
    start = container_pb2.ExecStart(container="web", arguments=["id"], environment={"A": "1"})
    await call.write(container_pb2.ExecRequest(start=start))
    assert (await call.read()).HasField("started")
    await session.to_client.put((Stream.STDOUT, b"root"))
    assert (await call.read()).output.data == b"root"
    await session.to_client.put(None)
    session.code.set_result(4)
    assert (await call.read()).exit.code == 4
    assert bench.sessions.wants[0].environment == (("A", "1"),)


async def test_exec_of_what_is_not_there_is_127(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=Phase.RUNNING, pid=5)
    bench.sessions.exec_error = Refused("nope: no such file or directory")
    call = bench.containers.Exec()
    start = container_pb2.ExecStart(container="web", arguments=["nope"])
    await call.write(container_pb2.ExecRequest(start=start))
    assert (await call.read()).exit.code == 127


async def test_a_signal_to_an_exec_spares_the_container(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=Phase.RUNNING, pid=5)
    bench.sessions.session = session = PlayedSession()
    call = bench.containers.Exec()
    start = container_pb2.ExecStart(container="web", arguments=["sleep"])
    await call.write(container_pb2.ExecRequest(start=start))
    await call.read()
    await call.write(container_pb2.ExecRequest(input=container_pb2.Input(signal="INT")))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert session.closed.is_set()
    assert bench.processes.signals.empty()


async def test_a_container_at_rest_can_be_neither_entered_nor_signalled(bench: Bench) -> None:
    await bench.apply(container("web"))
    execution, attachment = bench.containers.Exec(), bench.containers.Attach()
    start = container_pb2.ExecStart(container="web", arguments=["id"])
    await execution.write(container_pb2.ExecRequest(start=start))
    await attachment.write(container_pb2.AttachRequest(start={"container": "web"}))  # type: ignore[arg-type]
    for read in (
        execution.read(),
        attachment.read(),
        bench.containers.Signal(container_pb2.SignalRequest(container="web")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("signal", "number", "desired"),
    [
        ("HUP", 1, DesiredState.RUNNING),
        ("SIGKILL", 9, DesiredState.STOPPED),
        ("", 9, DesiredState.STOPPED),
        ("term", 15, DesiredState.STOPPED),
    ],
)
async def test_a_signal_that_ends_is_also_what_is_wanted(
    bench: Bench, signal: str, number: int, desired: DesiredState
) -> None:
    made = await bench.apply(container("web"), manager="site")
    await bench.report("web", phase=Phase.RUNNING, pid=5)
    uid = made.resources[0].metadata.uid
    await bench.containers.Signal(container_pb2.SignalRequest(container=uid[:8], signal=signal))
    assert await bench.processes.signals.get() == (uid, number)
    assert bench.find("web").spec.desired is desired
    assert bench.find("web").metadata.manager == "site"


async def test_wait_answers_at_the_end(bench: Bench) -> None:
    await bench.apply(container("web"))
    waiting = bench.containers.Wait(container_pb2.WaitRequest(container="web"))
    await bench.report("web", phase=Phase.RUNNING, pid=5)
    await bench.report("web", phase=Phase.EXITED, pid=0, exit_code=137, oom_killed=True)
    answer = await waiting
    assert (answer.exit.code, answer.exit.oom_killed) == (137, True)


async def test_what_is_paused_can_not_be_talked_to(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=Phase.PAUSED, pid=5)
    exec_start = container_pb2.ExecStart(container="web", arguments=["true"])
    for call, message in (
        (bench.containers.Attach(), container_pb2.AttachRequest(start={"container": "web"})),  # type: ignore[arg-type]
        (bench.containers.Exec(), container_pb2.ExecRequest(start=exec_start)),
    ):
        await call.write(message)
        with pytest.raises(
            grpc.aio.AioRpcError, match="container web is paused: `hold unpause web`"
        ) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_run_that_removes_its_container_ends_when_that_is_gone(bench: Bench) -> None:
    run = bench.containers.Run()
    start = container_pb2.RunStart(resource=container("web", auto_remove=True))
    await run.write(container_pb2.RunRequest(start=start))
    uid = Uid((await run.read()).created.metadata.uid)
    async with asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(run.read())
        await bench.report("web", phase=Phase.EXITED, started_at=NOW, finished_at=NOW, exit_code=3)
        await bench.store.retire(Key("Container", "web"), uid)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(ended)
        await bench.store.forget(Key("Container", "web"), uid)
    assert ended.result().exit.code == 3


async def test_what_is_removed_while_it_runs_was_killed(bench: Bench) -> None:
    await bench.apply(container("web"), container("still"))
    waits = [bench.containers.Wait(container_pb2.WaitRequest(container=name)) for name in ("web", "still")]
    run = bench.containers.Run()
    await run.write(start_run("other"))
    await run.read()
    for name in ("web", "other"):
        await bench.report(name, phase=Phase.RUNNING, pid=5, started_at=NOW, exit_code=3)
    keys = [state_pb2.Key(kind="Container", name=name) for name in ("web", "other", "still")]
    await bench.state.Delete(state_pb2.DeleteRequest(keys=keys))
    for name in ("web", "other", "still"):
        await bench.store.forget(Key("Container", name), Uid(bench.find(name).metadata.uid or ""))
    assert [(await wait).exit.code for wait in waits] == [137, 0]
    assert (await run.read()).exit.code == 137


async def test_the_first_end_counts_also_when_it_is_started_again(bench: Bench) -> None:
    await bench.apply(container("web", restart={"name": "always"}))
    bench.sessions.session = session = PlayedSession()
    await bench.report("web", phase=Phase.RUNNING, pid=5, started_at=NOW, finished_at=NOW)
    attachment = bench.containers.Attach()
    await attachment.write(container_pb2.AttachRequest(start={"container": "web"}))  # type: ignore[arg-type]
    assert (await attachment.read()).HasField("attached")
    waiting = bench.containers.Wait(container_pb2.WaitRequest(container="web"))
    run = bench.containers.Run()
    await run.write(start_run("other"))
    await run.read()
    await bench.report("other", phase=Phase.RUNNING, pid=6, started_at=NOW)
    later = NOW + timedelta(seconds=1)
    await bench.report("other", phase=Phase.RUNNING, pid=8, started_at=later, finished_at=later, exit_code=3)
    await bench.report("web", phase=Phase.RUNNING, pid=7, started_at=later, finished_at=later, exit_code=4)
    await session.to_client.put(None)
    assert (await attachment.read()).exit.code == 4
    assert (await waiting).exit.code == 4
    assert (await run.read()).exit.code == 3


async def test_logs_are_cut_to_the_time_asked_for(bench: Bench) -> None:
    await bench.apply(container("web"))
    bench.sessions.lines = [
        LogLine(at=NOW + timedelta(seconds=second), stream=Stream.STDOUT, data=b"%d\n" % second)
        for second in range(5)
    ]
    request = container_pb2.LogsRequest(container="web", follow=True)
    request.since.FromDatetime(NOW + timedelta(seconds=1))
    request.until.FromDatetime(NOW + timedelta(seconds=3))
    lines = [line.data async for line in bench.containers.Logs(request)]
    assert lines == [b"1\n", b"2\n", b"3\n"]


async def test_logs_of_the_previous_run(bench: Bench) -> None:
    await bench.apply(container("web"))
    request = container_pb2.LogsRequest(container="web", previous=True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [line async for line in bench.containers.Logs(request)]
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    bench.sessions.previous_lines = [LogLine(at=NOW, stream=Stream.STDOUT, data=b"old\n")]
    assert [line.data async for line in bench.containers.Logs(request)] == [b"old\n"]


async def test_who_follows_a_log_is_let_go_at_rest(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=Phase.RUNNING, pid=5, started_at=NOW)
    bench.sessions.lines = [LogLine(at=NOW, stream=Stream.STDOUT, data=b"a\n")]
    call = bench.containers.Logs(container_pb2.LogsRequest(container="web", follow=True))
    assert (await call.read()).data == b"a\n"
    await bench.report("web", phase=Phase.PENDING, pid=0)  # its restart policy is about to start it again
    await bench.report("web", phase=Phase.RUNNING, pid=6)
    assert not call.done()
    bench.sessions.lines.append(LogLine(at=NOW, stream=Stream.STDOUT, data=b"b\n"))
    await bench.report("web", phase=Phase.EXITED, pid=0, exit_code=0)
    assert (await call.read()).data == b"b\n"
    assert await call.code() is grpc.StatusCode.OK


async def test_pieces_of_a_log_travel_together_when_asked_to(bench: Bench) -> None:
    await bench.apply(container("web"))
    texts = [b"x" * 100_000 + b"%d\n" % number for number in range(20)]
    bench.sessions.lines = [
        LogLine(at=NOW + timedelta(seconds=number), stream=Stream.STDERR, data=text)
        for number, text in enumerate(texts)
    ]
    request = container_pb2.LogsRequest(container="web", batch=True)
    request.until.FromDatetime(NOW + timedelta(seconds=17))
    answers = [answer async for answer in bench.containers.Logs(request)]
    assert [piece.data for answer in answers for piece in answer.pieces] == texts[:18]
    assert [piece.at.seconds for piece in answers[0].pieces][:1] == [int(NOW.timestamp())]
    assert {piece.stream for answer in answers for piece in answer.pieces} == {"stderr"}
    assert len(answers) < 10
    assert max(answer.ByteSize() for answer in answers) < 1_000_000


async def test_details_of_a_log_are_the_containers_and_its_images(bench: Bench) -> None:
    made = container("web")
    made.metadata.labels["a"] = "1"
    made.container.environment["B"] = "2"
    made.container.environment["C"] = "3"
    logging = resource_pb2.LogSettings(labels=["a"], environment_regex="^B", tag="{{.Name}}")
    made.container.logging.CopyFrom(logging)
    await bench.apply(made)
    bench.sessions.lines = [LogLine(at=NOW, stream=Stream.STDOUT, data=b"x\n")]
    for asked, details in ((False, {}), (True, {"a": "1", "B": "2", "tag": "web"})):
        request = container_pb2.LogsRequest(container="web", details=asked)
        assert [dict(line.details) async for line in bench.containers.Logs(request)] == [details]


async def test_an_import_makes_an_image(bench: Bench) -> None:
    start = image_pb2.ImportStart(name="tool", config=resource_pb2.ImageConfig(user="me"))
    call = bench.images.Import()
    await call.write(image_pb2.ImportRequest(start=start))
    await call.write(image_pb2.ImportRequest(chunk=b"ab"))
    await call.write(image_pb2.ImportRequest(chunk=b"c"))
    await call.write(image_pb2.ImportRequest(end=image_pb2.ImportEnd()))
    await call.done_writing()
    made = await call
    assert made.resource.metadata.name == "tool:latest"
    assert made.resource.image.source.stored.startswith("sha256:")
    assert bench.importer.received == [b"abc"]
    found = await bench.state.Get(state_pb2.GetRequest(key=state_pb2.Key(kind="Image", name="tool")))
    assert found.resource == made.resource


async def test_an_upload_that_breaks_off_changes_nothing(bench: Bench) -> None:
    call = bench.images.Import()
    await call.write(image_pb2.ImportRequest(start=image_pb2.ImportStart(name="tool")))
    await call.write(image_pb2.ImportRequest(chunk=b"ab"))
    await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bench.importer.received == []
    assert len(bench.store.snapshot()) == 0
