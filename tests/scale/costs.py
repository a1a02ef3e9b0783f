"""What starting containers on a crowded network takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.machine import Machine, wait_for
from tests.testhost.processor_time import ProcessorMeter

_DEADLINE_S = 900.0
_REST_S = 5.0
"""Looks that the daemon takes by the clock come round in that time."""

_CONTAINER = """
---
apiVersion: hold/v1
kind: Container
metadata: {{name: {name}}}
spec: {{image: box:1, command: [sleep, "1000000"], networks: [crowd]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of each container: wall-clock time, processor time of the daemon with all that it starts."""

    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.wall_s * 1000:8.1f} ms, {self.processor_s * 1000:8.1f} ms"


def start_alone(machine: Machine, meter: ProcessorMeter, names: Sequence[str]) -> Costs:
    """Start containers one after another and return what each took, without what goes by meanwhile."""
    meter.settle()
    rest_s = measure_rest_s(meter)
    before_s, begun_at = meter.read_s(), time.perf_counter()
    wall_s = 0.0
    for name in names:
        start = time.perf_counter()
        options = ("-d", "--name", name, "--network", "crowd")
        machine.succeed("run", *options, "box:1", "sleep", "1000000")
        wall_s += time.perf_counter() - start
        meter.settle()
    besides_s = rest_s * (time.perf_counter() - begun_at)
    return Costs(wall_s=wall_s / len(names), processor_s=(meter.read_s() - before_s - besides_s) / len(names))


def measure_rest_s(meter: ProcessorMeter) -> float:
    """Return the processor time that goes by in a second in which nobody asks for anything."""
    before_s = meter.read_s()
    time.sleep(_REST_S)
    return (meter.read_s() - before_s) / _REST_S


def start_together(machine: Machine, meter: ProcessorMeter, names: Sequence[str]) -> Costs:
    """Start containers by one manifest and return what each took."""
    manifest = "".join(_CONTAINER.format(name=name) for name in names)
    meter.settle()
    before_s, start = meter.read_s(), time.perf_counter()
    machine.succeed("apply", "-f", "-", stdin=manifest)
    wait_for(lambda: _are_ready(machine, names), "all of them running", deadline_s=_DEADLINE_S)
    wall_s = time.perf_counter() - start
    meter.settle()
    return Costs(wall_s=wall_s / len(names), processor_s=(meter.read_s() - before_s) / len(names))


def _are_ready(machine: Machine, names: Sequence[str]) -> bool:
    command = ["wait", "--for=condition=Ready", *(f"container/{name}" for name in names), "--timeout", "60s"]
    return machine.hold(*command).returncode == 0
