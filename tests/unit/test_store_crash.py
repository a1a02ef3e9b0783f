"""A process killed in the middle of commits loses nothing that it was told is written."""

import asyncio
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.model.ids import Key, Revision
from controller.store.database import derive_url
from controller.store.store import open_store

_WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from controller.model.changes import Decision, Put
from controller.model.resource import Metadata
from controller.model.volume import Volume, VolumeAssigned
from controller.store.store import open_store

class Clock:
    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)

def put(name, number):
    volume = Volume(metadata=Metadata(name=name, uid=f"{number:032x}"))
    return Put(resource=volume, assigned=VolumeAssigned())

async def main(url, start):
    async with open_store(url, Clock()) as store:
        for number in range(start, start + 100000):
            writes = (put(f"v{number}", 2 * number), put(f"w{number}", 2 * number + 1))
            await store.commit(lambda _: Decision(writes=writes, outcomes=()))
            print(number, flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


async def _write_until_killed(url: str, start: int, acknowledged: int) -> list[int]:
    """Return the numbers that the writer was told are written; it is killed after at least `acknowledged` of them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, url, str(start), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(acknowledged)]
    process.kill()
    lines += (await process.stdout.read()).splitlines()
    await process.wait()
    return [int(line) for line in lines]


@pytest.mark.parametrize("seed", range(4))
async def test_killed_between_any_two_instructions(tmp_path: Path, seed: int) -> None:
    url = derive_url(str(tmp_path / "hold.db"))
    randomness = random.Random(seed)
    written: set[int] = set()
    start = 0
    for _ in range(2):
        numbers = await _write_until_killed(url, start, randomness.randint(1, 60))
        written.update(numbers)
        start = max(numbers) + 1000
        async with open_store(url, StoppedClock()) as store:
            names = {key.name for key in store.snapshot()}
            assert {f"{letter}{number}" for number in written for letter in "vw"} <= names
            pairs = {name[1:] for name in names}
            assert all(
                Key("Volume", f"{letter}{number}") in store.snapshot() for number in pairs for letter in "vw"
            )
            assert len(names) - 2 * len(written) in (0, 2, 4)
            watch = store.watch(Revision(0))
            seen = [(await anext(watch)).revision for _ in range(store.revision())]
            assert seen == list(range(1, len(names) + 1))
