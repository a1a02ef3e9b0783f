"""Watches: nothing missed, nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from controller.api.v1 import state_pb2
from controller.model.changes import EventType
from controller.model.ids import Uid
from controller.store.limits import StoreLimits
from tests.unit.api_bench import Bench, opened_bench, volume


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(60):
        yield opened


async def read(call: grpc.aio.Call, count: int) -> list[Any]:
    """Return the next answers; not the end of the stream, which the type stubs have in mind."""
    answers = aiter(cast("AsyncIterator[Any]", call))
    return [await anext(answers) for _ in range(count)]


async def take(bench: Bench, request: state_pb2.WatchRequest, count: int) -> list[tuple[str, str]]:
    """Return type and name of the first answers."""
    call = bench.state.Watch(request)
    answers = await read(call, count)
    call.cancel()
    return [(each.type, each.resource.metadata.name) for each in answers]


async def test_the_present_comes_first_then_changes(bench: Bench) -> None:
    await bench.apply(volume("b"), volume("a"))
    call = bench.state.Watch(state_pb2.WatchRequest(kind="Volume"))
    answers = await read(call, 3)
    assert [(each.type, each.resource.metadata.name) for each in answers] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("SYNCED", ""),
    ]
    assert answers[-1].revision == bench.store.revision()
    await bench.apply(volume("a", x="y"), volume("c"))
    later = await read(call, 2)
    assert [(each.type, each.resource.metadata.name) for each in later] == [("MODIFIED", "a"), ("ADDED", "c")]


async def test_a_watch_goes_on_after_the_daemon_came_back(tmp_path: Path) -> None:
    revisions: list[int] = []
    async with asyncio.timeout(60):
        async with opened_bench(tmp_path) as bench:
            call = bench.state.Watch(state_pb2.WatchRequest())
            await read(call, 1)
            await bench.apply(volume("a"), volume("b"))
            revisions.append((await read(call, 1))[0].revision)
        async with opened_bench(tmp_path) as bench:
            await bench.apply(volume("c"))
            call = bench.state.Watch(state_pb2.WatchRequest(after_revision=revisions[0]))
            answers = await read(call, 2)
    assert [each.resource.metadata.name for each in answers] == ["b", "c"]
    assert answers[0].revision == revisions[0] + 1


async def test_a_forgotten_revision_is_out_of_range(tmp_path: Path) -> None:
    limits = StoreLimits(changes=5, recent=2)
    async with asyncio.timeout(60), opened_bench(tmp_path, limits=limits) as bench:
        await bench.apply(*(volume(f"v{number}") for number in range(40)))
        await bench.apply(*(volume(f"w{number}") for number in range(40)))
        call = bench.state.Watch(state_pb2.WatchRequest(after_revision=1))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(call, 1)
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_selector_shows_objects_come_and_go(bench: Bench, resumed: bool) -> None:
    await bench.apply(volume("a", tier="db"))
    request = state_pb2.WatchRequest(label_selector="tier=db")
    if resumed:
        request.after_revision = bench.store.revision()
    for tier in ("web", "web2", "db", "db"):
        await bench.apply(volume("a", tier=tier))
    await bench.apply(volume("other", tier="web"), volume("b", tier="db"))
    if resumed:
        expected = [("DELETED", "a"), ("ADDED", "a"), ("ADDED", "b")]
    else:
        expected = [("ADDED", "a"), ("ADDED", "b"), ("SYNCED", "")]
    assert await take(bench, request, 3) == expected


async def test_one_object_can_be_watched(bench: Bench) -> None:
    await bench.apply(volume("a"), volume("b"))
    request = state_pb2.WatchRequest(kind="Volume", name="b")
    assert await take(bench, request, 2) == [("ADDED", "b"), ("SYNCED", "")]


async def test_events_are_listed_and_followed(bench: Bench) -> None:
    made = (await bench.apply(volume("a"))).resources[0]
    key = next(iter(bench.store.snapshot()))
    for reason in ("One", "Two"):
        await bench.store.record(key, None, EventType.NORMAL, reason, "text")
    await bench.store.record(None, None, EventType.WARNING, "Other", "text")
    request = state_pb2.ListEventsRequest(key=state_pb2.Key(kind="Volume", name=made.metadata.name))
    listed = await bench.state.ListEvents(request)
    assert [each.reason for each in listed.events] == ["One", "Two"]
    await bench.store.record(key, Uid(made.metadata.uid), EventType.NORMAL, "Own", "text")
    of_uid = await bench.state.ListEvents(state_pb2.ListEventsRequest(uid=made.metadata.uid))
    assert [each.reason for each in of_uid.events] == ["Own"]
    call = bench.state.WatchEvents(state_pb2.WatchEventsRequest(after_sequence=listed.events[0].sequence))
    assert [each.event.reason for each in await read(call, 3)] == ["Two", "Other", "Own"]
    await bench.store.record(None, None, EventType.NORMAL, "Three", "text")
    assert (await read(call, 1))[0].event.reason == "Three"


async def test_ten_thousand_objects(bench: Bench) -> None:
    await bench.apply(*(volume(f"v{number:05}") for number in range(10_000)))
    names: list[str] = []
    page = await bench.state.List(state_pb2.ListRequest())
    names += [each.metadata.name for each in page.resources]
    while page.next_page_token:
        page = await bench.state.List(state_pb2.ListRequest(page_token=page.next_page_token))
        names += [each.metadata.name for each in page.resources]
    assert names == [f"v{number:05}" for number in range(10_000)]
    assert (await take(bench, state_pb2.WatchRequest(), 10_001))[-1] == ("SYNCED", "")
