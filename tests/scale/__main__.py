"""`python -m tests.scale [COUNT] [STEP]`, in a test host: so many containers on one network, all reached by all.

Tells what a start takes from the first to the last, STEP at a time, what the daemon needs, what did not answer, and what
is left when all are deleted.
"""

import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.conftest import running_machine
from tests.machine import Machine, NotInTime, wait_for
from tests.scale.costs import Costs, measure_rest_s, start_alone, start_together
from tests.scale.reach import try_sample
from tests.testhost.counters import Counters, read_counters, read_pss_bytes
from tests.testhost.processor_time import ProcessorMeter, metered

_ALONE = 10
"""So many of each step are started one by one, the others by one manifest."""

_MOST_GROWTH = 2.5
"""So much more may a start among all take than one of the first: a third of it is the kernel's, which copies the mounts of
all for each new container."""

_OPTIONS = ("--resync-interval", "3600s")
"""A resync looks at all containers, so that it does not belong to any start; it is measured by itself."""

_RESYNC_BEGUN_S = 2.0
_DELETED_WITHIN_S = 600.0
_SETTLED_WITHIN_S = 30.0
_UNCOUNTED = ("memory", "rules")
"""Empty chains stay by design: `running_machine` looks at what rules are left."""

_NETWORK = """
apiVersion: hold/v1
kind: Network
metadata: {name: crowd}
spec: {subnets: [10.64.0.0/16]}
"""


def main(count: int, step: int) -> int:
    """Start them, step by step, and delete them; returns the exit code."""
    with (
        tempfile.TemporaryDirectory(
            prefix="hold-scale-", dir="/var/tmp", ignore_cleanup_errors=True
        ) as scratch,
        running_machine(Path(scratch), *_OPTIONS) as machine,
    ):
        _warm_up(machine)
        before = _count(machine)
        machine.succeed("apply", "-f", "-", stdin=_NETWORK)
        growth = _start_all(machine, count, step)
        reach = try_sample(machine)
        print(f"{reach.pairs} pairs tried by address and by name, {reach.late} more than once", flush=True)
        print(f"{len(reach.silent)} silent", *reach.silent, flush=True)
        left = _delete_all(machine, before)
    print(f"a start takes {growth:.2f} times the processor time of one of the first")
    return 1 if reach.silent or left or growth > _MOST_GROWTH else 0


def _warm_up(machine: Machine) -> None:
    """Let the daemon load and make what the first containers need."""
    for _ in range(3):
        machine.succeed("run", "--rm", "box:1", "true")


def _start_all(machine: Machine, count: int, step: int) -> float:
    """Return the last starts' processor time, one by one, divided by that of the first ones."""
    pid = machine.daemon_pid
    before_bytes = read_pss_bytes(pid)
    alone: list[Costs] = []
    print("containers       one by one: wall, processor   by manifest: wall, processor   daemon", flush=True)
    with metered(pid) as meter:
        for first in range(0, count, step):
            names = [f"c{number}" for number in range(first, min(first + step, count))]
            alone.append(start_alone(machine, meter, names[:_ALONE]))
            together = start_together(machine, meter, names[_ALONE:])
            print(
                f"{first + 1:5} to {first + len(names):5}: {alone[-1]}   {together}"
                f"   {read_pss_bytes(pid) / 1000:,.0f} kB",
                flush=True,
            )
        alone.append(start_alone(machine, meter, [f"c{count + number}" for number in range(_ALONE)]))
        print(f"{count + 1:5} to {count + _ALONE:5}: {alone[-1]}")
        print(f"a second at rest takes {measure_rest_s(meter) * 1000:.1f} ms of processor time")
        print(f"a resync takes {_measure_resync_s(pid, meter) * 1000:,.0f} ms of processor time")
    each_bytes = (read_pss_bytes(pid) - before_bytes) / count
    print(f"the daemon needs {each_bytes / 1000:.1f} kB for each")
    return alone[-1].processor_s / alone[0].processor_s


def _measure_resync_s(pid: int, meter: ProcessorMeter) -> float:
    meter.settle()
    before_s = meter.read_s()
    os.kill(pid, signal.SIGUSR1)
    time.sleep(_RESYNC_BEGUN_S)
    meter.settle()
    return meter.read_s() - before_s


def _delete_all(machine: Machine, before: Counters) -> list[str]:
    """Delete all containers, tell how long it took, then their network; return what there is more of than `before`."""
    start = time.perf_counter()
    machine.succeed("delete", "container", "--all", "--grace-period", "0", "--wait=false")
    wait_for(lambda: _are_gone(machine), "the containers' end", deadline_s=_DELETED_WITHIN_S)
    print(f"deleted in {time.perf_counter() - start:.1f} s")
    machine.succeed("delete", "network", "crowd")
    with contextlib.suppress(NotInTime):
        wait_for(lambda: not _list_grown(machine, before), "what is left", deadline_s=_SETTLED_WITHIN_S)
    left = _list_grown(machine, before)
    print("left:", ", ".join(left) or "nothing")
    return left


def _are_gone(machine: Machine) -> bool:
    machine.hold("wait", "--for=delete", "container", "--all", "--timeout", "60s")
    return not machine.succeed("get", "containers", "-o", "name").strip()


def _list_grown(machine: Machine, before: Counters) -> list[str]:
    now = _count(machine)
    return [f"{now[name] - before[name]} {name}" for name in now if now[name] > before[name]]


def _count(machine: Machine) -> Counters:
    counters = read_counters(machine.daemon_pid, machine.root_path, machine.run_path)
    return {name: value for name, value in counters.items() if name not in _UNCOUNTED}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1] if sys.argv[1:] else 1500), int(sys.argv[2] if sys.argv[2:] else 100)))
