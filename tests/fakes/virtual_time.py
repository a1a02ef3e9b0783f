"""An event loop whose clock jumps to the next timer whenever nothing is left to do: hours pass in milliseconds."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)


class _JumpingSelector(selectors.BaseSelector):
    """Waits for real events only while a thread is known to be at work; else lets the time jump."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now_s = 0.0
        self.threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.threads_at_work:
            return self._real.select(30)
        self.now_s += timeout
        return []

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; also the Clock of what runs in it."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # A timer counts as due only when its time has come, not one clock resolution before.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now_s

    def now(self) -> datetime:
        """See Clock."""
        return START + timedelta(seconds=self._jumping.now_s)

    @contextmanager
    def waiting_for_thread(self) -> Iterator[None]:
        """Let no time pass while a thread is expected to answer."""
        self._jumping.threads_at_work += 1
        try:
            yield
        finally:
            self._jumping.threads_at_work -= 1


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run `main` to its end in a new virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop))
