"""start, stop, restart: what they write, and a start that a client goes along with."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from controller.api.v1 import container_pb2
from controller.model.container import DesiredState, Phase, StopOrder
from controller.model.ids import Uid
from controller.model.resource import Condition, ConditionStatus
from controller.plan.conditions import Reason
from controller.ports import Stream
from tests.fakes.api_kernel import PlayedSession
from tests.unit.api_bench import Bench, container, opened_bench

LIMIT_S = 30


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(LIMIT_S):
        await opened.apply(container("web"), manager="site")
        yield opened


async def start(bench: Bench) -> container_pb2.StartResponse:
    answer: container_pb2.StartResponse = await bench.containers.Start(
        container_pb2.StartRequest(container="web")
    )
    return answer


async def test_start_asks_for_a_new_run_of_what_has_ended(bench: Bench) -> None:
    await bench.report("web", phase=Phase.EXITED, run=4)
    answer = await start(bench)
    assert (answer.resource.container.run, answer.resource.metadata.manager) == (5, "site")


async def test_start_leaves_alone_what_runs(bench: Bench) -> None:
    await bench.report("web", phase=Phase.RUNNING, pid=5, run=1)
    before = bench.find("web").metadata.revision
    await start(bench)
    assert bench.find("web").metadata.revision == before


async def test_start_refuses_what_is_paused(bench: Bench) -> None:
    await bench.report("web", phase=Phase.PAUSED, pid=5, run=1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await start(bench)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "hold unpause web" in (caught.value.details() or "")


async def test_stop_keeps_how_this_run_is_to_end(bench: Bench) -> None:
    await bench.report("web", phase=Phase.RUNNING, pid=5, run=3)
    await bench.containers.Stop(container_pb2.StopRequest(container="web", signal="int", grace_period_s=120))
    stopped = bench.find("web")
    assert stopped.spec.desired is DesiredState.STOPPED
    assert stopped.spec.stop_grace_period_s == 10
    assert stopped.assigned is not None
    assert stopped.assigned.stop == StopOrder(run=3, signal="SIGINT", grace_period_s=120)
    await bench.containers.Stop(container_pb2.StopRequest(container="web", grace_period_s=0))
    again = bench.find("web").assigned
    assert again is not None
    assert again.stop == StopOrder(run=3, grace_period_s=0)


async def test_restart_asks_for_the_next_run_and_ends_the_present_one_as_told(bench: Bench) -> None:
    await bench.report("web", phase=Phase.RUNNING, pid=5, run=3)
    answer = await bench.containers.Restart(container_pb2.RestartRequest(container="web", signal="USR1"))
    assert answer.resource.container.run == 4
    assigned = bench.find("web").assigned
    assert assigned is not None
    assert assigned.stop == StopOrder(run=3, signal="SIGUSR1")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (container_pb2.StopRequest(container="web", grace_period_s=-1), "gracePeriodS"),
        (container_pb2.StopRequest(container="web", grace_period_s=float("nan")), "gracePeriodS"),
        (container_pb2.StopRequest(container="web", signal="SIGTREM"), "SIGTERM"),
    ],
)
async def test_wrong_endings_change_nothing(
    bench: Bench, request_: container_pb2.StopRequest, field: str
) -> None:
    before = bench.store.revision()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.containers.Stop(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in (caught.value.details() or "")
    assert bench.store.revision() == before


async def test_a_client_goes_along_with_a_start(bench: Bench) -> None:
    await bench.report("web", phase=Phase.EXITED, run=1, exit_code=9)
    bench.sessions.session = session = PlayedSession()
    call = bench.containers.Attach()
    begin = container_pb2.AttachStart(container="web", start=True)
    await call.write(container_pb2.AttachRequest(start=begin))
    async for change in bench.store.watch(bench.store.revision()):
        if change.resource.metadata.name == "web":
            break
    unmet = Condition(
        type="Ready", status=ConditionStatus.FALSE, reason=Reason.WAITING_FOR_DEPENDENCIES, message="not yet"
    )
    generation = bench.find("web").metadata.generation
    await bench.report("web", phase=Phase.PENDING, conditions=(unmet,), observed_generation=generation)
    waiting = (await call.read()).waiting
    assert (waiting.reason, waiting.message) == ("WaitingForDependencies", "not yet")
    gate = bench.sessions.gates["web"]
    assert not gate.opened.is_set()
    gate.container.set_result(Uid(bench.find("web").metadata.uid or ""))
    await gate.opened.wait()
    await session.to_client.put((Stream.STDOUT, b"hello"))
    assert (await call.read()).output.data == b"hello"
    await bench.report("web", phase=Phase.EXITED, run=2, exit_code=6)
    await session.to_client.put(None)
    assert (await call.read()).exit.code == 6


async def test_a_start_that_is_refused_lets_the_gate_go(bench: Bench) -> None:
    await bench.report("web", phase=Phase.PAUSED, run=1)
    call = bench.containers.Attach()
    begin = container_pb2.AttachStart(container="web", start=True)
    await call.write(container_pb2.AttachRequest(start=begin))
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()
    assert bench.sessions.gates["web"].opened.is_set()
