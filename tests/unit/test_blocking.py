"""Work in threads whose caller is cancelled: nothing that a thread opens is lost, and nobody goes on before it ends."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from controller.blocking import opened, run_to_end
from controller.images.blobs import BlobStore
from controller.images.leases import Leases
from controller.images.settling import Settling
from tests.fakes.unpacker import FakeUnpacker

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_S = 20.0


@dataclass(slots=True)
class Gate:
    """Holds a thread until it is opened, and tells when one has come."""

    reached: threading.Event = field(default_factory=threading.Event)
    passed: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self.reached.set()
        assert self.passed.wait(PATIENCE_S)


class Holding(ThreadPoolExecutor):
    """Does the first work it is given, then keeps quiet about it until the gate opens."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._holds = True

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        if not self._holds:
            return super().submit(fn, *args, **kwargs)
        self._holds = False
        return super().submit(self._work_and_hold, lambda: fn(*args, **kwargs))

    def _work_and_hold(self, work: Callable[[], R]) -> R:
        done = work()
        self._gate.hold()
        return done


async def cancel_inside(gate: Gate, task: asyncio.Task[None], *, times: int = 1) -> None:
    """Cancel a task while its thread is held, let the thread go on, and wait for the task's end."""
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        assert await asyncio.get_running_loop().run_in_executor(own_thread, gate.reached.wait, PATIENCE_S)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    gate.passed.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_caller_waits_for_its_thread(times: int) -> None:
    gate, done = Gate(), list[str]()

    def work() -> None:
        gate.hold()
        done.append("work")

    async with asyncio.TaskGroup() as tasks:
        await cancel_inside(gate, tasks.create_task(run_to_end(work)), times=times)
    assert done == ["work"]


@pytest.mark.parametrize("times", [1, 3])
async def test_what_is_opened_for_a_cancelled_caller_is_closed(times: int) -> None:
    gate, closed = Gate(), list[str]()

    def open_slowly() -> str:
        gate.hold()
        return "door"

    async def use() -> None:
        async with opened(open_slowly, closed.append):
            closed.append("never used")

    async with asyncio.TaskGroup() as tasks:
        await cancel_inside(gate, tasks.create_task(use()), times=times)
    assert closed == ["door"]


async def test_what_can_not_be_opened_is_not_closed() -> None:
    def fail() -> str:
        raise FileNotFoundError("door")

    closed = list[str]()
    with pytest.raises(FileNotFoundError):
        async with opened(fail, closed.append):
            closed.append("never used")
    assert closed == []


async def test_a_cancelled_user_closes_too() -> None:
    closed, using = list[str](), asyncio.Event()

    async def use() -> None:
        async with opened(lambda: "door", closed.append):
            using.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(use())
        await using.wait()
        task.cancel()
    assert closed == ["door"]


def list_descriptors(directory: Path) -> list[str]:
    """Return what this process has open below a directory, deleted files too."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(path.readlink()))
    return [link for link in links if link.startswith(f"{directory}/")]


async def test_a_blob_that_is_given_up_while_it_is_opened_leaves_nothing(tmp_path: Path) -> None:
    settling = Settling(tmp_path / "notes", boot_id="this", unpacker=FakeUnpacker(lambda: 0))
    store = BlobStore(tmp_path / "blobs", Leases(), settling)
    store.load(frozenset())
    known = await store.write(b"known")

    async def receive() -> None:
        async with store.receiving():
            pytest.fail("nobody waits for this blob any more")

    async def read() -> None:
        async for _ in store.read(known):
            pytest.fail("nobody reads this blob any more")

    for use in (receive, read):
        gate = Gate()
        asyncio.get_running_loop().set_default_executor(Holding(gate))
        async with asyncio.TaskGroup() as tasks:
            await cancel_inside(gate, tasks.create_task(use()))
        assert [path.name for path in (tmp_path / "blobs").iterdir()] == [known.replace(":", "-")]
        assert list_descriptors(tmp_path / "blobs") == []
