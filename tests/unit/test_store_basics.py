"""The store's contract, one sentence a test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import AlreadyExists, Expired, Invalid, NotFound
from controller.model.attachments import AssignedAttachment
from controller.model.changes import (
    Change,
    ChangeType,
    Decision,
    EventType,
    MarkDeleted,
    Outcome,
    Put,
    Snapshot,
    Verb,
)
from controller.model.container import (
    Container,
    ContainerAssigned,
    ContainerSpec,
    ContainerStatus,
    Phase,
)
from controller.model.ids import Key, Revision, Uid
from controller.model.ports import PortMapping
from controller.model.resource import Metadata
from controller.model.volume import Volume, VolumeAssigned
from controller.ports import Committed
from controller.store.database import derive_url
from controller.store.limits import StoreLimits
from controller.store.store import SqlStore, open_store


class SteppedClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.present = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.present


def make_uid(number: int) -> Uid:
    return Uid(f"{number:032x}")


def make_volume(name: str, number: int, **labels: str) -> Put:
    resource = Volume(metadata=Metadata(name=name, uid=make_uid(number), labels=labels))
    return Put(resource=resource, assigned=VolumeAssigned())


def make_container(
    name: str, number: int, *, image: str = "a:1", assigned: ContainerAssigned | None = None
) -> Put:
    resource = Container(metadata=Metadata(name=name, uid=make_uid(number)), spec=ContainerSpec(image=image))
    return Put(resource=resource, assigned=assigned or ContainerAssigned())


def deciding(*writes: Put | MarkDeleted) -> Callable[[Snapshot], Decision]:
    outcomes = tuple(
        Outcome(key=Key(write.resource.kind, write.resource.metadata.name), verb=Verb.CREATE)
        for write in writes
        if isinstance(write, Put)
    )
    return lambda _: Decision(writes=writes, outcomes=outcomes)


async def take(changes: AsyncIterator[Change], count: int) -> list[Change]:
    found: list[Change] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found.append(await anext(changes))
    return found


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return derive_url(str(tmp_path / "hold.db"))


@pytest.fixture
async def store(url: str, clock: SteppedClock) -> AsyncIterator[SqlStore]:
    async with open_store(url, clock) as opened:
        yield opened


async def test_a_committed_object_is_there_after_reopening(url: str, clock: SteppedClock) -> None:
    port = PortMapping(host_port=8080, container_port=80)
    attachment = AssignedAttachment(ipv4="10.0.0.2", mac="02:00:00:00:00:01")
    assigned = ContainerAssigned(networks={"n": attachment}, ports=(port,))
    async with open_store(url, clock) as store:
        committed = await store.commit(deciding(make_container("web", 1, assigned=assigned)))
        before = dict(store.snapshot())
    async with open_store(url, clock) as store:
        assert dict(store.snapshot()) == before
        assert store.revision() == committed.revision == 1
        web = store.snapshot()[Key("Container", "web")]
        assert web.assigned == assigned
        assert web.metadata.generation == 1
        assert web.metadata.created_at == clock.present


async def test_a_snapshot_never_changes(store: SqlStore) -> None:
    await store.commit(deciding(make_volume("a", 1)))
    snapshot = store.snapshot()
    await store.commit(deciding(make_volume("b", 2), make_volume("a", 1, changed="yes")))
    assert list(snapshot) == [Key("Volume", "a")]
    assert snapshot[Key("Volume", "a")].metadata.labels == {}
    assert len(store.snapshot()) == 2


async def test_the_generation_rises_with_the_spec_alone(store: SqlStore) -> None:
    key = Key("Container", "web")
    await store.commit(deciding(make_container("web", 1)))
    await store.put_status(key, make_uid(1), ContainerStatus(phase=Phase.RUNNING))
    await store.commit(deciding(make_container("web", 1)))
    assert store.snapshot()[key].metadata.generation == 1
    await store.commit(deciding(make_container("web", 1, image="b:1")))
    web = store.snapshot()[key]
    assert web.metadata.generation == 2
    assert isinstance(web.status, ContainerStatus)
    assert web.status.phase is Phase.RUNNING


async def test_what_decide_raises_passes_through_and_nothing_is_written(store: SqlStore) -> None:
    def refuse(_: Snapshot) -> Decision:
        raise Invalid("no")

    with pytest.raises(Invalid, match="no"):
        await store.commit(refuse)
    assert store.revision() == 0


async def test_a_decision_that_cannot_be_written_leaves_no_part_of_it(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        await store.commit(deciding(make_volume("a", 1), MarkDeleted(key=Key("Volume", "b"))))
    assert store.revision() == 0
    assert not store.snapshot()


async def test_claims_are_unique_whatever_decide_believes(store: SqlStore) -> None:
    assigned = ContainerAssigned(ports=(PortMapping(host_port=80, container_port=80),))
    await store.commit(deciding(make_container("a", 1, assigned=assigned)))
    results = await asyncio.wait_for(_commit_together(store, assigned), 30)
    assert [type(result) for result in results] == [Committed, AlreadyExists, Committed]
    assert {key.name for key in store.snapshot()} == {"a", "x", "y"}


async def _commit_together(store: SqlStore, assigned: ContainerAssigned) -> list[object]:
    async def attempt(put: Put) -> object:
        try:
            return await store.commit(deciding(put))
        except AlreadyExists as error:
            return error

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(attempt(put))
            for put in (make_volume("x", 3), make_container("b", 2, assigned=assigned), make_volume("y", 4))
        ]
    return [task.result() for task in tasks]


async def test_objects_of_one_batch_can_swap_their_claims(store: SqlStore) -> None:
    one = ContainerAssigned(ports=(PortMapping(host_port=81, container_port=80),))
    two = ContainerAssigned(ports=(PortMapping(host_port=82, container_port=80),))
    await store.commit(deciding(make_container("a", 1, assigned=one), make_container("b", 2, assigned=two)))
    await store.commit(deciding(make_container("a", 1, assigned=two), make_container("b", 2, assigned=one)))
    assert store.snapshot()[Key("Container", "a")].assigned == two


async def test_deletion_is_marked_then_forgotten(store: SqlStore, clock: SteppedClock) -> None:
    key = Key("Volume", "a")
    await store.commit(deciding(make_volume("a", 1)))
    await store.forget(key, make_uid(1))
    assert key in store.snapshot()
    await store.retire(key, make_uid(2))
    assert store.snapshot()[key].metadata.deleted_at is None
    await store.retire(key, make_uid(1))
    assert store.snapshot()[key].metadata.deleted_at == clock.present
    await store.forget(key, make_uid(1))
    assert key not in store.snapshot()
    await store.commit(deciding(make_volume("a", 2)))
    assert store.snapshot()[key].metadata.uid == make_uid(2)


async def test_an_equal_status_writes_nothing(store: SqlStore) -> None:
    key = Key("Container", "web")
    await store.commit(deciding(make_container("web", 1)))
    await store.put_status(key, make_uid(1), ContainerStatus(pid=7))
    revision = store.revision()
    await store.put_status(key, make_uid(1), ContainerStatus(pid=7))
    await store.put_status(key, make_uid(2), ContainerStatus(pid=8))
    assert store.revision() == revision == 2


async def test_a_repeated_request_gets_the_first_answer(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock) as store:
        first = await store.commit(deciding(make_volume("a", 1)), request_id="r")
        assert await store.commit(deciding(make_volume("b", 2)), request_id="r") == first
    async with open_store(url, clock) as store:
        assert await store.commit(deciding(make_volume("b", 2)), request_id="r") == first
        clock.present += timedelta(days=1, seconds=1)
        assert await store.commit(deciding(make_volume("b", 2)), request_id="r") != first


async def test_a_watcher_sees_every_change_once_across_a_restart(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock) as store:
        watch = store.watch(Revision(0))
        await store.commit(deciding(make_volume("a", 1), make_volume("b", 2)))
        seen = await take(watch, 2)
        await store.retire(Key("Volume", "a"), make_uid(1))
        seen += await take(watch, 1)
        await store.forget(Key("Volume", "a"), make_uid(1))
    async with open_store(url, clock) as store:
        watch = store.watch(seen[-1].revision)
        seen += await take(watch, 1)
        await store.commit(deciding(make_volume("c", 3)))
        seen += await take(watch, 1)
    assert [change.revision for change in seen] == [1, 2, 3, 4, 5]
    assert [change.type for change in seen] == [
        ChangeType.ADDED, ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED, ChangeType.ADDED,
    ]  # fmt: skip
    assert all(change.resource.metadata.revision == change.revision for change in seen)


async def test_a_compacted_revision_is_expired(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock, limits=StoreLimits(changes=20, recent=5)) as store:
        for number in range(60):
            await store.commit(deciding(make_volume(f"v{number}", number)))
        with pytest.raises(Expired, match="list again"):
            await take(store.watch(Revision(3)), 1)
        with pytest.raises(Expired, match="list again"):
            await take(store.watch(Revision(61)), 1)
        assert [change.revision for change in await take(store.watch(Revision(41)), 19)] == list(
            range(42, 61)
        )


async def test_a_watcher_that_sleeps_too_long_is_dropped(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock, limits=StoreLimits(changes=20, recent=5)) as store:
        watch = store.watch(Revision(0))
        await store.commit(deciding(make_volume("first", 1000)))
        await take(watch, 1)
        for number in range(60):
            await store.commit(deciding(make_volume(f"v{number}", number)))
        with pytest.raises(Expired):
            await take(watch, 60)


async def test_history_keeps_the_last_generations(url: str, clock: SteppedClock) -> None:
    key = Key("Container", "web")
    async with open_store(url, clock, limits=StoreLimits(generations=3)) as store:
        for number in range(6):
            await store.commit(deciding(make_container("web", 1, image=f"a:{number}")))
        await store.put_status(key, make_uid(1), ContainerStatus(pid=7))
        history = await store.history(key)
        assert [each.metadata.generation for each in history] == [6, 5, 4]
        assert [each.spec.image for each in history if isinstance(each, Container)] == ["a:5", "a:4", "a:3"]
        await store.retire(key, make_uid(1))
        await store.forget(key, make_uid(1))
        assert len(await store.history(key)) == 3
        await store.commit(deciding(make_container("web", 2)))
        assert [each.metadata.generation for each in await store.history(key)] == [1]
        with pytest.raises(NotFound):
            await store.history(Key("Container", "other"))


async def test_events_are_kept_in_order_and_bounded(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock, limits=StoreLimits(events=10, recent=2)) as store:
        for number in range(25):
            await store.record(Key("Volume", "a"), make_uid(1), EventType.NORMAL, "Counted", str(number))
        await store.record(None, None, EventType.WARNING, "Daemon", "of the daemon")
        events = await store.events(0, 100)
        assert [event.sequence for event in events] == list(range(17, 27))
        assert events[-1].key is None
        assert events[0].key == Key("Volume", "a")
        assert [event.sequence for event in await store.events(20, 3)] == [21, 22, 23]
    async with open_store(url, clock) as store:
        feed = store.watch_events(25)
        assert (await anext(feed)).sequence == 26
        await store.record(None, None, EventType.NORMAL, "Next", "")
        async with asyncio.timeout(30):
            assert (await anext(feed)).sequence == 27
