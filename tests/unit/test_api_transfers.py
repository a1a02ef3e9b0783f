"""Telling of layers on their way: seldom enough to be read, and the end at once."""

import asyncio

from controller.api.transfers import watch_transfers
from controller.api.v1 import registry_pb2
from controller.model.pulls import Report, Transfer, TransferState
from tests.fakes.virtual_time import run_virtually

Told = list[tuple[float, str, int]]


def watch(*, pieces: int, every_s: float) -> tuple[Told, float]:
    """Return what was told, and when, of a layer that comes in pieces, and when all was over."""
    told: Told = []

    async def work(report: Report) -> str:
        for index in range(pieces):
            report(
                Transfer(digest="a", state=TransferState.DOWNLOADING, done_bytes=index, total_bytes=pieces)
            )
            await asyncio.sleep(every_s)
        report(Transfer(digest="a", state=TransferState.PULLED, done_bytes=pieces, total_bytes=pieces))
        return "done"

    async def write(layer: registry_pb2.LayerProgress) -> None:
        told.append((round(asyncio.get_running_loop().time(), 3), layer.state, layer.done_bytes))

    async def run() -> float:
        assert await watch_transfers(work, write) == "done"
        return round(asyncio.get_running_loop().time(), 3)

    return told, run_virtually(lambda _: run())


def test_what_is_over_at_once_is_told_at_once() -> None:
    told, ended_s = watch(pieces=1, every_s=0.003)
    assert (told[0][1], told[-1][1], ended_s) == ("Downloading", "Pull complete", 0.003)


def test_many_pieces_are_told_of_a_few_times() -> None:
    told, ended_s = watch(pieces=1000, every_s=0.001)
    assert (told[-1], ended_s) == ((1.0, "Pull complete", 1000), 1.0)
    assert len(told) <= 12
