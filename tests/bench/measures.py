"""What is measured, the same for each engine. Times are seconds, sizes bytes."""

import functools
import os
import re
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.commands import CommandFailed, at_once, find_pids, time_s, wait_until
from tests.bench.engines import IMAGE, Engine
from tests.testhost.counters import read_pss_bytes

_RUNS = 7
_CONTAINERS = 50
_WIDTH = 8
_FIRST_PORT = 21000

Rows = dict[str, float]
"""A measurement's name to its value for one engine."""

RUN_BRIDGE = "run --rm true, bridge"
RUN_NO_NETWORK = "run --rm true, without network"
EXEC = "exec true"
STOP = "stop what ends at SIGTERM"
START_SERIAL = "start detached with a port, one by one, each"
START_AT_ONCE = f"start {_CONTAINERS} detached with a port at once, each"
REMOVE_AT_ONCE = f"remove {_CONTAINERS} at once, each"
MEMORY_CONTAINER = "memory per running container"
MEMORY_DAEMON = "memory of the daemon without containers"
RESTART = "kill -9 to running again (restart always)"


def measure_engine(engine: Engine) -> Rows:
    """Return all rows that every engine can have."""
    rows: Rows = {}
    if engine.daemon_pids:
        rows[MEMORY_DAEMON] = sum(map(read_pss_bytes, engine.daemon_pids))
    rows[RUN_BRIDGE] = _median_s(lambda: engine.run("run", "--rm", IMAGE, "true"))
    rows[RUN_NO_NETWORK] = _median_s(lambda: engine.run("run", "--rm", "--network", "none", IMAGE, "true"))
    rows |= _measure_exec(engine)
    rows[STOP] = _measure_stop(engine)
    rows |= _measure_many(engine)
    if engine.daemon_pids:
        rows[RESTART] = _measure_restart(engine)
    return rows


def _median_s(body: Callable[[], object]) -> float:
    body()
    return statistics.median(time_s(body) for _ in range(_RUNS))


def _measure_exec(engine: Engine) -> Rows:
    engine.run("run", "-d", "--name", "exec", IMAGE, "sleep", "1000")
    try:
        return {EXEC: _median_s(lambda: engine.run("exec", "exec", "true"))}
    finally:
        engine.run(*engine.remove, "exec")


def _measure_stop(engine: Engine) -> float:
    """Return the median over fresh containers whose program ends as soon as it is asked to."""
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done"
    names = [f"stopped{index}" for index in range(_RUNS)]
    times = []
    for name in names:
        engine.run("run", "-d", "--name", name, IMAGE, "sh", "-c", script)
        wait_until(functools.partial(_is_ready, engine, name), f"{name} to trap signals", 0.02)
        times.append(time_s(functools.partial(engine.run, "stop", name)))
    engine.run(*engine.remove, *names)
    return statistics.median(times)


def _is_ready(engine: Engine, name: str) -> bool:
    return "ready" in engine.run("logs", name)


def start_with_port(engine: Engine, name: str, port: int) -> None:
    """Start one small server with a published port."""
    arguments = ("sleep", "1000")
    engine.run("run", "-d", "--name", name, "-p", f"{port}:80", IMAGE, *arguments)


def _measure_many(engine: Engine) -> Rows:
    serial = [f"one{index}" for index in range(_RUNS)]
    rows: Rows = {
        START_SERIAL: statistics.median(
            time_s(functools.partial(start_with_port, engine, name, port))
            for port, name in enumerate(serial, start=_FIRST_PORT)
        )
    }
    engine.run(*engine.remove, *serial)
    before = set(find_pids(*engine.monitors))
    names = [f"many{index}" for index in range(_CONTAINERS)]
    starts = [
        functools.partial(start_with_port, engine, name, port)
        for port, name in enumerate(names, start=_FIRST_PORT + 1000)
    ]
    rows[START_AT_ONCE] = time_s(lambda: at_once(starts, _WIDTH)) / _CONTAINERS
    monitors = set(find_pids(*engine.monitors)) - before
    rows[MEMORY_CONTAINER] = sum(map(read_pss_bytes, monitors)) / _CONTAINERS
    rows[REMOVE_AT_ONCE] = time_s(lambda: engine.run(*engine.remove, *names)) / _CONTAINERS
    return rows


def _find_pid(engine: Engine, name: str) -> int:
    """Return the container's process, 0 when there is none now."""
    try:
        document = engine.run("inspect", name)
    except CommandFailed:
        return 0
    found = re.search(r'"[Pp]id": (\d+)', document)
    return int(found[1]) if found else 0


def _measure_restart(engine: Engine) -> float:
    """Return the median over fresh containers, so that no engine's back-off counts.

    The new process is seen by a file that it makes in a mounted directory, not by asking the engine.
    """
    times = []
    for index in range(5):
        marks_path = Path(f"/run/marks-{engine.name}-{index}")
        marks_path.mkdir(parents=True)
        script = "date +%s%N > /marks/$(cat /proc/sys/kernel/random/uuid); exec sleep 1000"
        name = f"again{index}"
        options = ("--name", name, "--restart", "always", "-v", f"{marks_path}:/marks")
        engine.run("run", "-d", *options, IMAGE, "sh", "-c", script)
        wait_until(functools.partial(_has_entries, marks_path, 1), f"{name} to run")
        pid = _find_pid(engine, name)
        start = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        wait_until(functools.partial(_has_entries, marks_path, 2), f"{name} to run again", 0.0005)
        times.append(time.perf_counter() - start)
        engine.run(*engine.remove, name)
    return statistics.median(times)


def _has_entries(path: Path, count: int) -> bool:
    return len(list(path.iterdir())) >= count
