"""The store on a file system that is full or read-only: reads go on, writes say why not and come back by themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import Exhausted, Refused
from controller.model.changes import Decision, Put, Snapshot
from controller.model.resource import Metadata
from controller.model.volume import Volume, VolumeAssigned
from controller.store.database import derive_url
from controller.store.store import SqlStore, open_store


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


async def mount(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("mount", *arguments)
    assert await process.wait() == 0


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Path]:
    """Return a file system of 2 MiB."""
    await mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path))
    yield tmp_path
    process = await asyncio.create_subprocess_exec("umount", str(tmp_path))
    assert await process.wait() == 0


def putting(name: str, number: int) -> Callable[[Snapshot], Decision]:
    metadata = Metadata(name=name, uid=f"{number:032x}", annotations={"filling": "x" * 20_000})
    writes = (Put(resource=Volume(metadata=metadata), assigned=VolumeAssigned()),)
    return lambda _: Decision(writes=writes, outcomes=())


async def fill(store: SqlStore) -> None:
    for number in range(2, 200):
        await store.commit(putting(f"v{number}", number))


async def test_a_full_disk_stops_writes_until_there_is_room(disk: Path) -> None:
    ballast = disk / "ballast"
    async with open_store(derive_url(str(disk / "hold.db")), StoppedClock()) as store:
        await store.commit(putting("first", 1))
        ballast.write_bytes(b"x" * (1 << 20))
        with pytest.raises(Exhausted, match=r"no space left for .*/hold\.db"):
            await fill(store)
        held = dict(store.snapshot())
        assert store.revision() == len(held) > 0
        assert await store.events(0, 10) == ()
        with pytest.raises(Exhausted):
            await store.commit(putting("still", 1000))
        ballast.unlink()
        committed = await store.commit(putting("after", 1001))
        assert committed.revision == len(held) + 1
    async with open_store(derive_url(str(disk / "hold.db")), StoppedClock()) as store:
        assert {key: each for key, each in store.snapshot().items() if key in held} == held
        assert len(store.snapshot()) == len(held) + 1


async def test_a_read_only_file_system_is_refused_by_name(disk: Path) -> None:
    url = derive_url(str(disk / "root" / "hold.db"))
    await mount("-o", "remount,ro", str(disk))
    with pytest.raises(Refused, match=r"/root can't be made: Read-only file system"):
        async with open_store(url, StoppedClock()):
            pass
    await mount("-o", "remount,rw", str(disk))
    async with open_store(url, StoppedClock()) as store:
        await store.commit(putting("a", 1))
    await mount("-o", "remount,ro", str(disk))
    with pytest.raises(Refused, match=r"hold\.db can't be written"):
        async with open_store(url, StoppedClock()):
            pass


async def test_a_disk_too_small_for_an_empty_database(disk: Path) -> None:
    (disk / "ballast").write_bytes(b"x" * ((2 << 20) - 8192))
    with pytest.raises(Exhausted, match=r"hold\.db"):
        async with open_store(derive_url(str(disk / "hold.db")), StoppedClock()):
            pass
