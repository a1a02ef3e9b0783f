"""What the demo prints."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BOLD, _DIM, _GREEN, _RED, _PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"


class Screen:
    """Prints steps, with colour on a terminal."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty()

    def _paint(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured else text

    def title(self, text: str) -> None:
        """Print a heading."""
        print(f"\n{self._paint(_BOLD, text)}", flush=True)

    def command(self, words: str) -> None:
        """Print a command that is about to be run."""
        print(self._paint(_DIM, f"  $ {words}"), flush=True)

    def output(self, text: str) -> None:
        """Print what a command printed."""
        for line in text.splitlines():
            print(f"    {line}", flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print whether the block came to its end, and how long it took."""
        start = time.monotonic()
        try:
            yield
        except Exception:
            print(f"  {self._paint(_RED, 'x')} {what}", flush=True)
            raise
        took_ms = (time.monotonic() - start) * 1000
        print(f"  {self._paint(_GREEN, 'ok')} {what} {self._paint(_DIM, f'({took_ms:,.0f} ms)')}", flush=True)
