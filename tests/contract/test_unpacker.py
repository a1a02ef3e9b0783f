"""What every adapter of Unpacker promises."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.errors import Invalid, NotFound
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from controller.ports import Unpacked, Unpacker
from tests.fakes.unpacker import FakeUnpacker
from tests.registries.layouts import make_tar

FILES = {"etc/small": b"small", "usr/big": bytes(range(256)) * 1000}
ARCHIVE = make_tar(FILES)
JUNK = b"\xff\xfe no archive" * 1000


def make_fake() -> Unpacker:
    return FakeUnpacker(lambda: 1)


def make_real() -> Unpacker:
    limits = UnpackLimits(most_bytes=1 << 30, most_entries=1000)
    return ChrootUnpacker(runner=Runner(), limits=limits)


@pytest.fixture(
    params=[
        pytest.param(make_fake, id="fake"),
        pytest.param(make_real, id="linux", marks=pytest.mark.kernel),
    ]
)
def unpacker(request: pytest.FixtureRequest) -> Unpacker:
    """The unpacker."""
    make: Callable[[], Unpacker] = request.param
    return make()


@pytest.fixture
def target_path(tmp_path: Path) -> Path:
    """Where archives are unpacked to."""
    path = tmp_path / "target"
    path.mkdir()
    return path


async def feed(unpacker: Unpacker, target_path: Path, content: bytes) -> Unpacked:
    async with unpacker.unpacking(str(target_path), about="the upload") as unpacking:
        for at in range(0, len(content), 10_000):
            await unpacking.feed(content[at : at + 10_000])
        return await unpacking.finish()


async def follow(unpacker: Unpacker, target_path: Path, content: bytes) -> Unpacked:
    """Unpack a file that grows: by one byte, by half of it, by the rest, of which nothing is said."""
    path = target_path.with_name("growing")
    path.touch()
    async with unpacker.following(str(path), str(target_path), about="the upload") as following:
        with path.open("ab", buffering=0) as file:
            for piece in (content[:1], content[1 : len(content) // 2]):
                file.write(piece)
                await following.grown()
            file.write(content[len(content) // 2 :])
        return await following.finish()


async def read_file(unpacker: Unpacker, target_path: Path, content: bytes) -> Unpacked:
    path = target_path.with_name("archive")
    path.write_bytes(content)
    return await unpacker.unpack_file(str(path), str(target_path), about="the upload")


WAYS = pytest.mark.parametrize("way", [feed, follow, read_file])


@WAYS
async def test_an_archive_is_unpacked_and_described(
    unpacker: Unpacker, target_path: Path, way: Callable[[Unpacker, Path, bytes], asyncio.Future[Unpacked]]
) -> None:
    unpacked = await way(unpacker, target_path, ARCHIVE)
    assert unpacked == Unpacked(
        diff_id=f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}",
        size_bytes=sum(map(len, FILES.values())),
        entries=4,
        ended=True,
    )
    found = {
        str(path.relative_to(target_path)): path.read_bytes()
        for path in target_path.rglob("*")
        if path.is_file()
    }
    assert found == FILES


@WAYS
@pytest.mark.parametrize("content", [JUNK, ARCHIVE[: len(ARCHIVE) // 2]], ids=["junk", "cut off"])
async def test_what_is_no_archive_is_refused_by_its_name(
    unpacker: Unpacker,
    target_path: Path,
    way: Callable[[Unpacker, Path, bytes], asyncio.Future[Unpacked]],
    content: bytes,
) -> None:
    with pytest.raises(Invalid) as caught:
        await way(unpacker, target_path, content)
    assert caught.value.message.startswith("the upload ")


async def test_a_refusal_comes_before_the_end_at_the_latest_with_it(
    unpacker: Unpacker, target_path: Path
) -> None:
    """However much is fed after the junk, nobody waits for ever."""

    async def feed_on() -> None:
        async with unpacker.unpacking(str(target_path), about="the upload") as unpacking:
            for _ in range(20):
                await unpacking.feed(JUNK * 10)
            await unpacking.finish()

    async with asyncio.timeout(60):
        with pytest.raises(Invalid):
            await feed_on()


async def test_whoever_leaves_early_gives_up(unpacker: Unpacker, tmp_path: Path, target_path: Path) -> None:
    async with asyncio.timeout(60):
        async with unpacker.unpacking(str(target_path), about="the upload") as unpacking:
            await unpacking.feed(ARCHIVE[:1000])
        (tmp_path / "growing").write_bytes(ARCHIVE[:1000])
        async with unpacker.following(str(tmp_path / "growing"), str(target_path), about="it") as following:
            await following.grown()
        with pytest.raises(KeyError):
            async with unpacker.unpacking(str(target_path), about="the upload"):
                raise KeyError
    await unpacker.empty(str(target_path))
    assert list(target_path.iterdir()) == []


async def test_many_are_unpacked_at_the_same_time(unpacker: Unpacker, tmp_path: Path) -> None:
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        for index in range(6):
            path = tmp_path / str(index)
            path.mkdir()
            tasks.create_task(feed(unpacker, path, ARCHIVE))
    assert all((tmp_path / str(index) / "usr/big").read_bytes() == FILES["usr/big"] for index in range(6))


async def test_a_missing_file_or_directory_is_told(
    unpacker: Unpacker, tmp_path: Path, target_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(NotFound, match="missing"):
        await unpacker.unpack_file(missing, str(target_path), about="the upload")
    with pytest.raises(NotFound, match="missing"):
        await unpacker.pack(missing, str(tmp_path / "archive"))


async def test_what_is_packed_is_unpacked_to_the_same(
    unpacker: Unpacker, tmp_path: Path, target_path: Path
) -> None:
    await feed(unpacker, target_path, ARCHIVE)
    await unpacker.sync(str(target_path))
    await unpacker.pack(str(target_path), str(tmp_path / "again"))
    (tmp_path / "second").mkdir()
    await unpacker.unpack_file(str(tmp_path / "again"), str(tmp_path / "second"), about="the copy")
    assert {name: (tmp_path / "second" / name).read_bytes() for name in FILES} == FILES
    for _ in range(2):
        await unpacker.empty(str(target_path))
        assert list(target_path.iterdir()) == []
