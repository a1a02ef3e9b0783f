"""What only hold does: repairs, resync without a difference, API latency."""

import functools
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.commands import run, time_s, wait_until
from tests.bench.crowd import measure_crowd
from tests.bench.engines import IMAGE, Engine
from tests.bench.health_cost import measure_health
from tests.bench.measures import Rows, start_with_port
from tests.bench.short_lives import measure_short_lives

_ROUNDS = 7
_DECLARED = 50
_WATCHED = 500
_WATCHED_S = 20.0
_SETTLED_AFTER_S = 25.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def measure_hold(engine: Engine) -> Rows:
    """Return the rows that no peer has."""
    return (
        _measure_repairs(engine)
        | _measure_apply(engine)
        | _measure_stats(engine)
        | _measure_api(engine)
        | _measure_resync(engine)
        | measure_health(engine)
        | measure_short_lives(engine)
        | measure_crowd(engine)
    )


def _measure_repairs(engine: Engine) -> Rows:
    start_with_port(engine, "drift", 25000)
    wait_until(functools.partial(_has_rule, 25000), "the published port")
    veths, firewalls = [], []
    for _ in range(_ROUNDS):
        delete = functools.partial(run, ["ip", "link", "del", _find_veths()[0]])
        veths.append(_time_repair_s(delete, _has_veth))
    for _ in range(_ROUNDS):
        flush = functools.partial(run, ["iptables", "-t", "nat", "-F"])
        firewalls.append(_time_repair_s(flush, functools.partial(_has_rule, 25000)))
    engine.run("rm", "-f", "drift")
    return {
        "deleted veth repaired": statistics.median(veths),
        "flushed firewall repaired": statistics.median(firewalls),
    }


def _time_repair_s(break_it: Callable[[], object], is_whole: Callable[[], bool]) -> float:
    """Return the time from before the damage is done, which takes the kernel a while, to its repair being seen."""
    start = time.perf_counter()
    break_it()
    wait_until(is_whole, "the repair")
    taken_s = time.perf_counter() - start
    time.sleep(0.5)
    return taken_s


def _find_veths() -> list[str]:
    return re.findall(r"^\d+: (hv[0-9a-f]+)@", run(["ip", "-o", "link"]), re.MULTILINE)


def _has_veth() -> bool:
    return bool(_find_veths())


def _has_rule(port: int) -> bool:
    return f"--dport {port}" in run(["iptables-save", "-t", "nat"])


def _measure_api(engine: Engine) -> Rows:
    """Latency of single calls on one open connection, as a program sees it."""
    script = Path(__file__).with_name("api_latency.py")
    answer = run([str(Path(engine.command[0]).with_name("python")), str(script)], engine.environment)
    return {
        f"API {name}, one call": float(value)
        for name, value in (line.split() for line in answer.splitlines())
    }


def _measure_apply(engine: Engine) -> Rows:
    """The wall time for each of many containers that one manifest declares, until all of them run, and are gone."""
    documents = [
        f"apiVersion: hold/v1\nkind: Container\nmetadata: {{name: declared{index}}}\n"
        f"spec: {{image: '{IMAGE}', command: [sleep, '1000'], ports: ['{26000 + index}:80']}}"
        for index in range(_DECLARED)
    ]

    def start() -> None:
        _apply(engine, documents)
        engine.run("wait", "--for=condition=Ready", "container", "--all")

    started_s = time_s(start)
    removed_s = time_s(lambda: engine.run("delete", "container", "--all", "--grace-period", "0"))
    return {
        f"start {_DECLARED} with a port by one manifest, each": started_s / _DECLARED,
        f"remove {_DECLARED} by one command, each": removed_s / _DECLARED,
    }


def _apply(engine: Engine, documents: Sequence[str]) -> None:
    command = [*engine.command, "apply", "-f", "-"]
    text = "\n---\n".join(documents)
    subprocess.run(
        command,
        input=text,
        text=True,
        check=True,
        capture_output=True,
        env={**os.environ, **engine.environment},
    )


def _measure_stats(engine: Engine) -> Rows:
    """Processor time of the daemon for a second of `stats` on 500 containers with two who watch.

    It is left alone first, as new links keep it busy for a while; what it does besides is taken off.
    """
    documents = [
        f"apiVersion: hold/v1\nkind: Container\nmetadata: {{name: used{index}}}\n"
        f"spec: {{image: '{IMAGE}', command: [sleep, '1000']}}"
        for index in range(_WATCHED)
    ]
    _apply(engine, documents)
    environment = {**os.environ, **engine.environment}
    engine.run("wait", "--for=condition=Ready", "container", "--all", "--timeout", "600s")
    pid = engine.daemon_pids[0]
    time.sleep(_SETTLED_AFTER_S)
    watchers = [
        subprocess.Popen([*engine.command, "stats"], stdout=subprocess.DEVNULL, env=environment)
        for _ in range(2)
    ]
    time.sleep(3)
    before = _read_cpu_s(pid)
    time.sleep(_WATCHED_S)
    spent = _read_cpu_s(pid) - before
    for watcher in watchers:
        watcher.terminate()
        watcher.wait()
    before = _read_cpu_s(pid)
    time.sleep(_WATCHED_S)
    spent -= _read_cpu_s(pid) - before
    engine.run("delete", "container", "--all", "--grace-period", "0")
    per_second = max(0.0, spent / _WATCHED_S)
    return {f"stats, {_WATCHED} containers, two watchers, each second (processor time)": per_second}


def _measure_resync(engine: Engine) -> Rows:
    """Processor time of the daemon for resyncs of 1,000 networks-less objects that need nothing."""
    documents = [
        f"apiVersion: hold/v1\nkind: Container\nmetadata: {{name: idle{index}}}\n"
        f"spec: {{image: '{IMAGE}', networkMode: none, desired: stopped}}"
        for index in range(1000)
    ]
    _apply(engine, documents)
    pid = engine.daemon_pids[0]
    _wait_until_idle(pid)
    before = _read_cpu_s(pid)
    os.kill(pid, 10)  # SIGUSR1 asks for a resync
    time.sleep(0.2)
    _wait_until_idle(pid)
    spent = _read_cpu_s(pid) - before
    engine.run("delete", "container", "--all", "--wait=false")
    return {"no-op resync, 1,000 objects (processor time)": spent}


def _read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _wait_until_idle(pid: int) -> None:
    """Return when the daemon has used less than a tick or two in half a second."""
    before = -1.0
    while (now := _read_cpu_s(pid)) - before > 0.02:
        before = now
        time.sleep(0.5)
