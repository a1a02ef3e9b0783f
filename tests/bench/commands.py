"""Running commands and telling how long they took."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_DEADLINE_S = 600.0


class CommandFailed(Exception):
    """A command of an engine ended with a code other than 0."""


def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output without the final newline."""
    answer = subprocess.run(
        list(arguments),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if answer.returncode != 0:
        raise CommandFailed(f"{' '.join(arguments)}: exit code {answer.returncode}: {answer.stderr.strip()}")
    return answer.stdout.rstrip("\n")


def time_s(body: Callable[[], object]) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def at_once(bodies: Sequence[Callable[[], object]], width: int) -> None:
    """Run all bodies, `width` at a time; the first error is raised."""
    with ThreadPoolExecutor(max_workers=width) as pool:
        for future in [pool.submit(body) for body in bodies]:
            future.result()


def wait_until(condition: Callable[[], bool], what: str, interval_s: float = 0.002) -> None:
    """Return as soon as the condition holds; TimeoutError after ten minutes."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_DEADLINE_S:.0f} s for {what}")
        time.sleep(interval_s)


def find_pids(*names: str) -> list[int]:
    """Return the processes of this host whose command has one of the names."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name in names:
            found.append(int(path.name))
    return found
