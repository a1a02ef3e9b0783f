"""Keys in line: once each, fresh ones first, at work with one worker at a time."""

import asyncio

import pytest

from controller.model.ids import Key
from controller.reconcile.queue import ECHO_S, Queue, Whole
from tests.fakes.virtual_time import VirtualLoop, run_virtually

A, B = Key("Container", "a"), Key("Container", "b")


def test_a_key_is_in_line_once_and_fresh_ones_come_first() -> None:
    async def main(_loop: VirtualLoop) -> None:
        queue = Queue()
        queue.wake(A, fresh=False)
        queue.wake(B, fresh=False)
        queue.wake(B)
        queue.wake(B)
        assert [await queue.take(), await queue.take()] == [B, A]
        assert not queue.is_idle
        queue.release(A)
        queue.release(B)
        assert queue.is_idle

    run_virtually(main)


def test_a_key_at_work_comes_again_after_its_turn() -> None:
    async def main(_loop: VirtualLoop) -> None:
        queue = Queue()
        queue.wake(A)
        await queue.take()
        queue.wake(A)
        queue.wake(B)
        assert await queue.take() == B
        queue.release(A)
        assert await queue.take() == A

    run_virtually(main)


def test_the_earliest_time_counts() -> None:
    async def main(loop: VirtualLoop) -> None:
        queue = Queue()
        queue.wake_later(A, 5)
        queue.wake_later(A, 2)
        queue.wake_later(A, 3)
        assert await queue.take() == A
        assert loop.time() == 2

    run_virtually(main)


def test_many_wishes_settle_but_not_for_ever() -> None:
    async def main(loop: VirtualLoop) -> None:
        queue = Queue()

        async def keep_asking() -> None:
            while True:
                queue.wake_settled(Whole.HOST, quiet_s=0.2, longest_s=1.0)
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(keep_asking())
            assert await queue.take() is Whole.HOST
            assert loop.time() == pytest.approx(1.0)
            asking.cancel()

    run_virtually(main)


def test_what_has_rested_has_its_turn_at_once_and_crowds_settle() -> None:
    async def main(loop: VirtualLoop) -> None:
        queue = Queue()

        async def take_turn() -> float:
            assert await queue.take() is Whole.HOST
            queue.release(Whole.HOST)
            return loop.time()

        def ask() -> None:
            queue.wake_rested(Whole.HOST, quiet_s=0.2, longest_s=1.0)

        ask()
        ask()
        assert await take_turn() == 0
        ask()
        await asyncio.sleep(0.1)
        ask()
        assert await take_turn() == pytest.approx(0.3)
        await asyncio.sleep(1.1)
        ask()
        assert await take_turn() == pytest.approx(1.4)

    run_virtually(main)


def test_a_hint_after_a_turn_that_acted_waits_for_the_echo() -> None:
    async def main(loop: VirtualLoop) -> None:
        queue = Queue()
        queue.wake_by_hint(A)
        await queue.take()
        queue.wake_by_hint(A)
        queue.expect_echo(A)
        queue.release(A)
        assert await queue.take() == A
        assert loop.time() == ECHO_S
        queue.release(A)
        queue.wake_by_hint(A)
        assert not queue.is_idle

    run_virtually(main)


def test_a_hint_during_a_turn_that_did_nothing_is_looked_into_at_once() -> None:
    async def main(loop: VirtualLoop) -> None:
        queue = Queue()
        queue.wake(A)
        await queue.take()
        queue.wake_by_hint(A)
        queue.release(A)
        assert await queue.take() == A
        assert loop.time() == 0

    run_virtually(main)
