"""AwaitStart: what a client hears that started a container."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.api.v1 import container_pb2, state_pb2
from controller.model.container import Phase
from controller.model.ids import Key, Uid
from tests.unit.api_bench import Bench, container, opened_bench

LIMIT_S = 30


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(LIMIT_S):
        await opened.apply(container("web", desired="stopped"))
        yield opened


async def _start(bench: Bench) -> container_pb2.StartResponse:
    answer: container_pb2.StartResponse = await bench.containers.Start(
        container_pb2.StartRequest(container="web")
    )
    return answer


async def _wait(bench: Bench, run: int) -> list[container_pb2.AwaitStartResponse]:
    request = container_pb2.AwaitStartRequest(container="web", run=run)
    return [answer async for answer in bench.containers.AwaitStart(request)]


async def test_a_start_tells_whether_anything_was_on_its_way(bench: Bench) -> None:
    first = await _start(bench)
    assert first.was_at_rest
    await bench.report("web", phase=Phase.CREATING)
    assert not (await _start(bench)).was_at_rest
    await bench.report("web", phase=Phase.EXITED, exit_code=1)
    again = await _start(bench)
    assert again.was_at_rest
    assert again.resource.container.run > first.resource.container.run


@pytest.mark.parametrize(("phase", "pid"), [(Phase.RUNNING, 7), (Phase.EXITED, 0)])
async def test_the_run_asked_for_is_waited_for(bench: Bench, phase: Phase, pid: int) -> None:
    await bench.report("web", phase=Phase.EXITED, run=1)
    run = (await _start(bench)).resource.container.run
    assert run == 2
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(_wait(bench, run))
        await bench.report("web", phase=Phase.CREATING)
        await bench.report("web", phase=phase, pid=pid, run=run)
    (answer,) = waiting.result()
    assert answer.started.container_status.run == run


async def test_why_it_did_not_start_is_told(bench: Bench) -> None:
    run = (await _start(bench)).resource.container.run
    await bench.report("web", phase=Phase.FAILED, error="serve: executable not found", run=run)
    (answer,) = await _wait(bench, run)
    assert (answer.exit.code, answer.exit.error) == (127, "serve: executable not found")


async def test_who_goes_is_not_waited_for(bench: Bench) -> None:
    begun = (await _start(bench)).resource
    call = bench.containers.AwaitStart(
        container_pb2.AwaitStartRequest(container="web", run=begun.container.run)
    )
    waits = {"type": "Ready", "status": "False", "reason": "BackOff", "message": "exit code 1"}
    await bench.report("web", conditions=[waits], observed_generation=begun.metadata.generation)
    assert (await call.read()).waiting.reason == "BackOff"
    await bench.state.Delete(state_pb2.DeleteRequest(keys=[state_pb2.Key(kind="Container", name="web")]))
    await bench.store.forget(Key("Container", "web"), Uid(begun.metadata.uid))
    assert (await call.read()).WhichOneof("message") == "exit"
