"""StateService: batches, conflicts, pages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from controller.api.v1 import resource_pb2, state_pb2
from controller.model.container import Phase
from tests.unit.api_bench import Bench, container, opened_bench, read_details, volume


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened:
        yield opened


async def test_a_batch_is_written_whole_or_not_at_all(bench: Bench) -> None:
    broken = container("web", mounts=[{"type": "volume", "source": "missing", "target": "/x"}])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.apply(volume("a"), broken)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "missing" in (caught.value.details() or "")
    assert len(bench.store.snapshot()) == 0

    answer = await bench.apply(volume("a"), container("web"))
    assert [(each.key.name, each.verb) for each in answer.outcomes] == [("a", "create"), ("web", "create")]
    assert [each.metadata.name for each in answer.resources] == ["a", "web"]
    assert answer.revision == bench.store.revision()


async def test_findings_name_the_fields_of_the_manifest(bench: Bench) -> None:
    first = container("a", ports=[{"host_port": 70000, "container_port": 1}], network_mode="host")
    second = container("b", resources={"memory_bytes": 1})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.apply(first, second)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = read_details(caught.value)["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    fields = {each.field for each in bad.field_violations}
    assert fields == {"Container/a: spec.ports[0].hostPort", "Container/b: spec.resources.memory"}


async def test_a_spec_of_another_kind_is_refused(bench: Bench) -> None:
    mixed = volume("a")
    mixed.network.internal = True
    for message in (mixed, resource_pb2.Resource(kind="Pod")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bench.apply(message)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_old_revision_aborts(bench: Bench) -> None:
    made = (await bench.apply(volume("a"))).resources[0]
    await bench.apply(volume("a", tier="db"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.apply(made)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    info = read_details(caught.value)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("STALE_REVISION", "hold")


async def test_another_managers_object_is_named_and_can_be_forced(bench: Bench) -> None:
    await bench.apply(volume("a"), manager="site")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.apply(volume("a", x="y"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    info = read_details(caught.value)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"manager": "site"}
    forced = await bench.apply(volume("a", x="y"), force=True)
    assert forced.resources[0].metadata.manager == "cli"


async def test_a_request_id_answers_again_and_writes_once(bench: Bench) -> None:
    first = await bench.apply(volume("a"), request_id="r1")
    await bench.apply(volume("b"))
    again = await bench.apply(volume("a", other="label"), request_id="r1")
    assert again == first
    assert "other" not in (await bench.state.Get(_get("Volume", "a"))).resource.metadata.labels


async def test_what_has_to_be_new_is_refused_whole(bench: Bench) -> None:
    await bench.apply(volume("a"))
    before = bench.store.revision()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.apply(volume("b"), volume("a", x="y"), create_only=True)
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert "Volume/a: metadata.name: name 'a' is in use" in (caught.value.details() or "")
    assert bench.store.revision() == before
    await bench.state.Delete(state_pb2.DeleteRequest(keys=[state_pb2.Key(kind="Volume", name="a")]))
    with pytest.raises(grpc.aio.AioRpcError, match="still being removed"):
        await bench.apply(volume("a"), create_only=True)
    made = await bench.apply(volume("b"), create_only=True, request_id="r1")
    assert await bench.apply(volume("b"), create_only=True, request_id="r1") == made


async def test_one_of_many_creators_wins(bench: Bench) -> None:
    async def create() -> bool:
        try:
            await bench.apply(volume("a"), create_only=True)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.ALREADY_EXISTS
        return True

    async with asyncio.TaskGroup() as tasks:
        creators = [tasks.create_task(create()) for _ in range(20)]
    assert sum(creator.result() for creator in creators) == 1


@pytest.mark.parametrize(
    ("phase", "goes"),
    [(Phase.RUNNING, False), (Phase.PAUSED, False), (Phase.STOPPING, False), (Phase.CREATING, False), (Phase.EXITED, True)],
)  # fmt: skip
async def test_what_has_a_process_can_be_spared(bench: Bench, phase: Phase, goes: bool) -> None:
    await bench.apply(container("web"))
    await bench.report("web", phase=phase)
    request = state_pb2.DeleteRequest(keys=[state_pb2.Key(kind="Container", name="web")], idle_only=True)
    if not goes:
        with pytest.raises(grpc.aio.AioRpcError, match=f"Container/web: is {phase.lower()}") as caught:
            await bench.state.Delete(request)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    else:
        await bench.state.Delete(request)
    assert (bench.find("web").metadata.deleted_at is not None) is goes


async def test_a_dry_run_and_a_plan_write_nothing(bench: Bench) -> None:
    await bench.apply(volume("old"), manager="site")
    revision = bench.store.revision()
    dry = await bench.apply(volume("a"), manager="site", prune=True, dry_run=True)
    assert {each.key.name: each.verb for each in dry.outcomes} == {"a": "create", "old": "delete"}
    assert [each.metadata.name for each in dry.resources] == ["a", "old"]
    assert [each.metadata.HasField("deleted_at") for each in dry.resources] == [False, True]
    deletions = [state_pb2.Key(kind="Volume", name="old")]
    plan = await bench.state.Plan(
        state_pb2.PlanRequest(resources=[container("web")], deletions=deletions, manager="site")
    )
    assert {each.key.name: each.verb for each in plan.outcomes} == {"web": "create", "old": "delete"}
    assert [each.key.name for each in plan.actions if each.HasField("key")] == ["web", "old"]
    assert list(plan.actions[0].actions) == ["load the firewall"]
    assert bench.store.revision() == revision


async def test_delete_asks_and_cascades(bench: Bench) -> None:
    user = container("web", mounts=[{"type": "volume", "source": "a", "target": "/x"}])
    await bench.apply(volume("a"), user)
    key = state_pb2.Key(kind="Volume", name="a")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.state.Delete(state_pb2.DeleteRequest(keys=[key]))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    dry = await bench.state.Delete(state_pb2.DeleteRequest(keys=[key], cascade=True, dry_run=True))
    assert bench.find("web").metadata.deleted_at is None
    done = await bench.state.Delete(state_pb2.DeleteRequest(keys=[key], cascade=True, grace_period_s=0))
    assert dry.outcomes == done.outcomes
    web = bench.find("web")
    assert web.metadata.deleted_at is not None
    assert web.spec.stop_grace_period_s == 0


async def test_rollback_returns_to_an_earlier_generation(bench: Bench) -> None:
    await bench.apply(container("web", hostname="one"))
    await bench.apply(container("web", hostname="two"))
    key = state_pb2.Key(kind="Container", name="web")
    history = await bench.state.History(state_pb2.HistoryRequest(key=key))
    assert [each.container.hostname for each in history.resources] == ["two", "one"]
    back = await bench.state.Rollback(state_pb2.RollbackRequest(key=key))
    assert back.resource.container.hostname == "one"
    assert bench.find("web").spec.hostname == "one"


async def test_a_list_stays_as_it_was_while_others_write(bench: Bench) -> None:
    await bench.apply(*(volume(f"v{number:02}") for number in range(10)))
    names: list[str] = []
    page = await bench.state.List(state_pb2.ListRequest(page_size=3))
    revision = page.revision
    while True:
        names += [each.metadata.name for each in page.resources]
        assert page.revision == revision
        if not page.next_page_token:
            break
        await bench.apply(volume(f"a{len(names)}"))
        page = await bench.state.List(state_pb2.ListRequest(page_size=3, page_token=page.next_page_token))
    assert names == [f"v{number:02}" for number in range(10)]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (state_pb2.ListRequest(label_selector="=="), grpc.StatusCode.INVALID_ARGUMENT),
        (state_pb2.ListRequest(kind="Pod"), grpc.StatusCode.INVALID_ARGUMENT),
        (state_pb2.ListRequest(page_size=-1), grpc.StatusCode.INVALID_ARGUMENT),
        (state_pb2.ListRequest(page_token="junk"), grpc.StatusCode.INVALID_ARGUMENT),
        (state_pb2.ListRequest(page_token="1-1/3"), grpc.StatusCode.OUT_OF_RANGE),
    ],
)
async def test_a_wrong_list_is_refused(
    bench: Bench, request_: state_pb2.ListRequest, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.state.List(request_)
    assert caught.value.code() is code


async def test_lists_select_by_kind_and_labels(bench: Bench) -> None:
    await bench.apply(volume("a", tier="db"), volume("b", tier="web"), container("c"))
    answer = await bench.state.List(state_pb2.ListRequest(kind="Volume", label_selector="tier notin (web)"))
    assert [each.metadata.name for each in answer.resources] == ["a"]


async def test_what_is_missing_is_not_found(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.state.Get(_get("Volume", "a"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_sources_are_listed(bench: Bench) -> None:
    answer = await bench.state.ListSources(state_pb2.ListSourcesRequest())
    assert [(each.name, each.state, each.message) for each in answer.sources] == [("site", "Error", "bad")]


def _get(kind: str, name: str) -> state_pb2.GetRequest:
    return state_pb2.GetRequest(key=state_pb2.Key(kind=kind, name=name))
