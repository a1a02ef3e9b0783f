"""What is in volumes, by the API: out, in, back to a snapshot."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest

from controller.api.v1 import volume_pb2, volume_pb2_grpc
from controller.api.volume_service import send_piece
from controller.errors import Unavailable
from controller.model.container import Phase
from controller.model.ids import Key, Uid
from controller.model.volume import SNAPSHOT_LABEL
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.unit.api_bench import Bench, container, opened_bench, volume

CONTENT = ["/www", "/etc"]


def _stub(bench: Bench) -> Any:  # noqa: ANN401 - the stubs know only one way to call a stream
    return volume_pb2_grpc.VolumeServiceStub(bench.channel)


async def _fill(bench: Bench) -> dict[str, list[str]]:
    """Make volumes data, spare, snap, and a container that runs on data; return their contents by name."""
    snap = volume("snap", **{SNAPSHOT_LABEL: "data"})
    user = container("web", mounts=[{"type": "volume", "source": "data", "target": "/d"}])
    await bench.apply(volume("data"), volume("spare"), snap, user)
    await bench.report("web", phase=Phase.RUNNING, pid=7)
    return {
        name: bench.world.volumes.setdefault(_find_uid(bench, name), content)
        for name, content in (("data", [*CONTENT]), ("spare", []), ("snap", ["/then"]))
    }


def _find_uid(bench: Bench, name: str) -> Uid:
    return Uid(bench.store.snapshot()[Key("Volume", name)].metadata.uid or "")


def _read(bench: Bench, name: str) -> list[str]:
    return bench.world.volumes[_find_uid(bench, name)]


def _upload(
    name: str, *, force: bool = False, whole: bool = True
) -> Iterable[volume_pb2.RestoreVolumeRequest]:
    request = volume_pb2.RestoreVolumeRequest
    yield request(start=volume_pb2.RestoreVolumeStart(volume=name, force=force))
    yield request(chunk=b"/new\n")
    if whole:
        yield request(end=volume_pb2.RestoreVolumeEnd())


async def test_a_volume_is_read_while_its_users_rest(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        web = Uid(bench.find("web").metadata.uid or "")
        for live, held in ((False, [("pause", web), ("resume", web)]), (True, [])):
            bench.inside.frozen.clear()
            call = _stub(bench).BackUpVolume(volume_pb2.BackUpVolumeRequest(volume="data", live=live))
            assert b"".join([answer.chunk async for answer in call]) == b"/www\n/etc\n"
            assert bench.inside.frozen == held


async def test_content_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        with pytest.raises(grpc.aio.AioRpcError, match="broke off before its end: nothing was changed"):
            await _stub(bench).RestoreVolume(_upload("spare", whole=False))
        assert _read(bench, "spare") == []
        await _stub(bench).RestoreVolume(_upload("spare"))
        assert _read(bench, "spare") == ["/new"]
        revert = volume_pb2.RevertVolumeRequest(volume="spare", source="snap")
        with pytest.raises(grpc.aio.AioRpcError, match="is not empty: replace all of it by --force"):
            await _stub(bench).RevertVolume(revert)
        revert.force = True
        await _stub(bench).RevertVolume(revert)
        assert _read(bench, "spare") == ["/then"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("data", grpc.StatusCode.FAILED_PRECONDITION, "volume data is used by web: stop what uses it first"),
        ("snap", grpc.StatusCode.FAILED_PRECONDITION, "volume snap is a snapshot, which stays as it is"),
        ("spar", grpc.StatusCode.NOT_FOUND, "volume spar does not exist; did you mean spare?"),
    ],
)
async def test_what_may_not_be_replaced(tmp_path: Path, name: str, code: grpc.StatusCode, words: str) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        revert = volume_pb2.RevertVolumeRequest(volume=name, source="snap", force=True)
        for call in (
            _stub(bench).RestoreVolume(_upload(name, force=True)),
            _stub(bench).RevertVolume(revert),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert (caught.value.code(), words in (caught.value.details() or "")) == (code, True)
        assert _read(bench, "data") == CONTENT


async def test_a_volume_can_not_be_made_of_itself(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        with pytest.raises(grpc.aio.AioRpcError, match="can't be made out of itself"):
            await _stub(bench).RevertVolume(volume_pb2.RevertVolumeRequest(volume="spare", source="spare"))


class _Stalled:
    """A call whose client takes nothing."""

    async def write(self, message: volume_pb2.BackUpVolumeResponse) -> None:
        del message
        await asyncio.Event().wait()


def test_containers_do_not_wait_for_a_reader_that_has_fallen_asleep() -> None:
    async def main(loop: VirtualLoop) -> None:
        piece = volume_pb2.BackUpVolumeResponse(chunk=b"x")
        with pytest.raises(Unavailable, match="nobody has read the archive for 30 s"):
            await send_piece(_Stalled(), piece, live=False)
        assert loop.time() >= 30
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await send_piece(_Stalled(), piece, live=True)

    run_virtually(main)
