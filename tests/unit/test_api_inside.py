"""ContainerService: files, changes, commits, what is used."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from controller.api.sampler import Sampler
from controller.api.v1 import container_pb2, resource_pb2
from controller.errors import NotFound
from controller.model.container import Phase
from controller.model.ids import Key, Uid
from controller.model.image import Image, ImageStatus
from controller.plan.stats import UsageSample
from controller.ports.files import PutWant, ShownMount
from tests.fakes.api_inside import PlayedInside
from tests.fakes.api_kernel import StillClock
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.unit.api_bench import Bench, container, opened_bench, volume

LIMIT_S = 30


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(LIMIT_S):
        yield opened


async def run(bench: Bench, name: str, pid: int) -> Uid:
    """Let a container run; returns its uid."""
    await bench.report(name, phase=Phase.RUNNING, pid=pid)
    return Uid(bench.find(name).metadata.uid or "")


async def test_files_come_out_as_what_they_are_and_a_stream(bench: Bench) -> None:
    await bench.apply(container("web"))
    request = container_pb2.ArchiveRequest(container="web", path="/etc/motd", follow_link=True)
    answers = [answer async for answer in bench.containers.Archive(request)]
    assert (answers[0].stat.name, answers[0].stat.mode) == ("motd followed", 0o100644)
    assert [answer.chunk for answer in answers[1:]] == [b"one", b"two"]


async def test_errors_of_files_have_a_code_and_paths_are_needed(bench: Bench) -> None:
    await bench.apply(container("web"))
    bench.inside.files_error = NotFound("/x does not exist in the container")
    for request, code, told in (
        (container_pb2.ArchiveRequest(container="web", path="/x"), grpc.StatusCode.NOT_FOUND, "/x does not"),
        (container_pb2.ArchiveRequest(container="web"), grpc.StatusCode.INVALID_ARGUMENT, "name a path"),
        (container_pb2.ArchiveRequest(container="no", path="/x"), grpc.StatusCode.NOT_FOUND, "no does not"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [_ async for _ in bench.containers.Archive(request)]
        assert caught.value.code() is code
        assert told in (caught.value.details() or "")


def put(*messages: container_pb2.PutArchiveRequest, **start: object) -> list[container_pb2.PutArchiveRequest]:
    fields: dict[str, object] = {"container": "web", "path": "/d", **start}
    first = container_pb2.PutArchiveRequest(start=container_pb2.PutArchiveStart(**fields))  # type: ignore[arg-type]
    return [first, *messages]


CHUNK = container_pb2.PutArchiveRequest(chunk=b"tar")
END = container_pb2.PutArchiveRequest(end=container_pb2.PutArchiveEnd())


async def test_files_go_in_and_whole_archives_keep_their_owners(bench: Bench) -> None:
    await bench.apply(container("web"))
    await bench.containers.PutArchive(
        iter(put(CHUNK, CHUNK, END, name="a", is_directory=True, contents=True))
    )
    await bench.containers.PutArchive(iter(put(END)))
    assert bench.inside.puts == [
        (PutWant(path="/d", name="a", is_directory=True, contents=True), b"tartar"),
        (PutWant(path="/d", keep_owner=True), b""),
    ]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([CHUNK], "the first message has to carry start"),
        (put(CHUNK), "broke off before its end"),
        (put(CHUNK, CHUNK, put()[0], END), "has to carry a chunk or the end"),
        (put(END, name="a/b"), "has to be a name without a slash"),
        (put(END, name=".."), "has to be a name without a slash"),
    ],
)
async def test_broken_uploads_are_refused(
    bench: Bench, messages: list[container_pb2.PutArchiveRequest], told: str
) -> None:
    await bench.apply(container("web"))
    with pytest.raises(grpc.aio.AioRpcError, match=told):
        await bench.containers.PutArchive(iter(messages))
    assert bench.inside.puts == []


async def test_a_place_is_what_runs_or_what_is_mounted(bench: Bench) -> None:
    mounts = [
        resource_pb2.Mount(type="volume", source="data", target="/data", read_only=True),
        resource_pb2.Mount(type="bind", source="/srv", target="/a/b"),
        resource_pb2.Mount(type="tmpfs", target="/tmp"),
    ]
    await bench.apply(volume("data"), container("web", mounts=mounts))
    data = bench.store.snapshot()[Key("Volume", "data")].metadata.uid
    await bench.containers.Diff(container_pb2.DiffRequest(container="web"))
    await run(bench, "web", 77)
    answer = await bench.containers.Diff(container_pb2.DiffRequest(container="web"))
    stopped, running = bench.inside.places
    assert (stopped.pid, running.pid, stopped.root.lower_paths) == (0, 77, ("/srv/root",))
    assert set(stopped.mounts) == {
        ShownMount(source=f"/r/volumes/{data}/_data", target="/data", read_only=True),
        ShownMount(source="/srv", target="/a/b", read_only=False),
    }
    assert {"/a", "/a/b", "/tmp", "/etc/hosts", "/proc"} <= set(stopped.mount_points)
    assert [(each.kind, each.path) for each in answer.changes] == [("A", "/new"), ("D", "/old")]


async def commit(bench: Bench, **fields: object) -> str:
    request = container_pb2.CommitRequest(container="web", **fields)  # type: ignore[arg-type]
    return str((await bench.containers.Commit(request)).id)


async def test_a_commit_freezes_builds_names(bench: Bench) -> None:
    image = resource_pb2.Resource(kind="Image", metadata=resource_pb2.Metadata(name="box:1"))
    image.image.source.archive = "/box.tar"
    web = container("web")
    web.container.ClearField("rootfs")
    web.container.image = "box:1"
    await bench.apply(image, web)
    uid = await run(bench, "web", 77)
    with pytest.raises(grpc.aio.AioRpcError, match="image box:1 of the container is not there"):
        await commit(bench)
    found = bench.store.snapshot()[Key("Image", "box:1")]
    assert isinstance(found, Image)
    await bench.store.put_status(
        Key("Image", "box:1"), Uid(found.metadata.uid or ""), ImageStatus(id="sha256:1", layers=("sha256:1",))
    )
    with pytest.raises(grpc.aio.AioRpcError, match="a b"):
        await commit(bench, name="a b")
    assert bench.inside.commit_wants == []
    config = resource_pb2.ImageConfig(environment={"A": "1"})
    digest = await commit(bench, name="new", pause=True, author="me", config=config)
    assert bench.inside.frozen == [("pause", uid), ("resume", uid)]
    want = bench.inside.commit_wants[0]
    assert (want.parent, want.author, want.config.environment) == ("sha256:1", "me", {"A": "1"})
    named = bench.store.snapshot()[Key("Image", "new:latest")]
    assert isinstance(named, Image)
    assert named.spec.source.stored == digest
    await commit(bench)
    assert len(bench.inside.frozen) == 2


async def test_a_root_without_an_image_cannot_be_committed(bench: Bench) -> None:
    await bench.apply(container("web"))
    with pytest.raises(grpc.aio.AioRpcError, match="has no image to build upon"):
        await commit(bench)


async def test_sizes_are_told_alone_and_with_the_image(bench: Bench) -> None:
    await bench.apply(container("web"), container("db"))
    answer = await bench.containers.Measure(container_pb2.MeasureRequest(containers=["web"]))
    assert [(each.container, each.writable_bytes, each.virtual_bytes) for each in answer.sizes] == [
        ("web", 100, 100)
    ]
    assert len((await bench.containers.Measure(container_pb2.MeasureRequest())).sizes) == 2


async def test_what_is_used_is_told_once_or_all_the_time(bench: Bench) -> None:
    await bench.apply(container("web"), container("idle"))
    uid = await run(bench, "web", 77)
    bench.inside.samples[uid] = UsageSample(uid=uid, taken_at_s=1.0, cpu_s=1.0, memory_bytes=5, pids=2)
    once = [each async for each in bench.containers.Stats(container_pb2.StatsRequest(once=True))]
    assert [(each.container, each.memory_bytes, each.running) for each in once[0].containers] == [
        ("web", 5, True)
    ]
    everything = container_pb2.StatsRequest(once=True, all=True)
    found = (await bench.containers.Stats(everything).read()).containers
    assert {each.container: each.running for each in found} == {"web": True, "idle": False}
    call = bench.containers.Stats(container_pb2.StatsRequest(containers=["web"]))
    assert [len((await call.read()).containers) for _ in range(2)] == [1, 1]
    call.cancel()


async def test_processes_are_listed_of_what_runs(bench: Bench) -> None:
    await bench.apply(container("web"))
    request = container_pb2.TopRequest(container="web", ps_arguments=["-o", "pid"])
    with pytest.raises(grpc.aio.AioRpcError, match="does not run"):
        await bench.containers.Top(request)
    uid = await run(bench, "web", 77)
    answer = await bench.containers.Top(request)
    assert (list(answer.titles), list(answer.processes[0].values)) == (["PID", "CMD"], ["1", "sleep 9"])
    assert bench.inside.ps_arguments == [(uid, ("-o", "pid"))]


def test_all_who_watch_share_the_samples() -> None:
    async def watch(loop: VirtualLoop) -> tuple[int, list[list[tuple[int, float]]]]:
        inside = PlayedInside()
        sampler = Sampler(snapshot=dict, gauges=inside, clock=StillClock())

        async def follow(moments: int) -> list[tuple[int, float]]:
            number: int | None = None
            seen = []
            for _ in range(moments):
                number = (await sampler.wait_for_moment(number)).number
                seen.append((number, loop.time()))
            return seen

        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(follow(9))
            staying = [tasks.create_task(follow(3)) for _ in range(20)]
            await asyncio.sleep(0.7)
            leaving.cancel()
        await asyncio.sleep(100)
        late = await follow(1)
        return inside.rounds, [*(each.result() for each in staying), late]

    rounds, seen = run_virtually(watch)
    assert all(each == [(1, 0.5), (2, 1.5), (3, 2.5)] for each in seen[:-1])
    assert seen[-1] == [(4, 103.0)]
    assert rounds == 6
