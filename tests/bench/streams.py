"""Output of containers: what it costs to keep it, to follow it, to read it again; and to stop a container."""

import functools
import os
import statistics
import subprocess
from collections.abc import Callable

from tests.bench.commands import CommandFailed, time_s, wait_until
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows

_RUNS = 3
_STOPS = 7
_MEGABYTES = 100
_LINE = "x" * 99
_WRITE = f"yes {_LINE} | head -c {_MEGABYTES}000000"
_KEEP_ALL = ("--log-opt", "max-size=1g")

LOGGED = f"{_MEGABYTES} MB of output kept, in lines of 100 bytes"
ATTACHED = f"{_MEGABYTES} MB of output through run"
READ = f"{_MEGABYTES} MB read by logs"
STOP = "stop a program that ends at the signal"


def measure_streams(engine: Engine) -> Rows:
    """Return seconds by row."""
    options = ("--network", "none", *_KEEP_ALL)
    logged, attached = [], []
    for index in range(_RUNS):
        write = functools.partial(_discard, engine, "run", "--rm", *options, IMAGE, "sh", "-c", _WRITE)
        attached.append(time_s(write))
        name = f"writer{index}"
        engine.run("create", "--name", name, *options, IMAGE, "sh", "-c", _WRITE)
        logged.append(time_s(functools.partial(_run_to_end, engine, name)))
    read = _median_s(lambda: _discard(engine, "logs", "writer0"), _RUNS)
    engine.run(*engine.remove, *(f"writer{index}" for index in range(_RUNS)))
    return {
        LOGGED: statistics.median(logged),
        ATTACHED: statistics.median(attached),
        READ: read,
        STOP: _measure_stop(engine),
    }


def _median_s(body: Callable[[], object], runs: int) -> float:
    return statistics.median(time_s(body) for _ in range(runs))


def _discard(engine: Engine, *words: str) -> None:
    """Run a command whose output nobody keeps."""
    answer = subprocess.run(
        [*engine.command, *words],
        stdout=subprocess.DEVNULL,
        env={**os.environ, **engine.environment},
        check=False,
    )
    if answer.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}: exit code {answer.returncode}")


def _run_to_end(engine: Engine, name: str) -> None:
    engine.run("start", name)
    wait_until(lambda: "Exited" in engine.run("ps", "-a", "--filter", f"name={name}"), f"{name} to end", 0.05)


def _measure_stop(engine: Engine) -> float:
    """Return the median over containers whose program says when it is ready for the signal."""
    times = []
    script = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait"
    for index in range(_STOPS):
        name = f"stopped{index}"
        engine.run("run", "-d", "--name", name, "--network", "none", IMAGE, "sh", "-c", script)
        wait_until(functools.partial(_is_ready, engine, name), f"{name} to be ready")
        times.append(time_s(functools.partial(engine.run, "stop", name)))
        engine.run(*engine.remove, name)
    return statistics.median(times)


def _is_ready(engine: Engine, name: str) -> bool:
    return "ready" in engine.run("logs", name)
