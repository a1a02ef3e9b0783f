"""What one more container costs on a network that has few, and on one that has many."""

from collections.abc import Sequence

from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows
from tests.testhost.processor_time import ProcessorMeter, metered

_MANY = 300
_ALONE = 10
_STARTED = "one more container on a network with {count} (processor time)"


def measure_crowd(engine: Engine) -> Rows:
    """Return processor time of the daemon with all that it starts for a container.

    `make test-scale` measures the same up to 1,500 containers, with what they reach, and memory, in a daemon of its own.
    """
    pid = engine.daemon_pids[0]
    engine.run("network", "create", "--subnet", "10.64.0.0/16", "crowd")
    rows: Rows = {}
    with metered(pid) as meter:
        _start(engine, meter, ["crowd-warm"])
        rows[_STARTED.format(count="few")] = _measure(engine, meter, "few")
        _start(engine, meter, [f"crowd{number}" for number in range(_MANY)])
        rows[_STARTED.format(count=_MANY)] = _measure(engine, meter, "more")
    engine.run("delete", "container", "--all", "--grace-period", "0")
    engine.run("network", "rm", "crowd")
    return rows


def _measure(engine: Engine, meter: ProcessorMeter, prefix: str) -> float:
    before_s = meter.read_s()
    for number in range(_ALONE):
        _start(engine, meter, [f"{prefix}{number}"])
    return (meter.read_s() - before_s) / _ALONE


def _start(engine: Engine, meter: ProcessorMeter, names: Sequence[str]) -> None:
    for name in names:
        engine.run("run", "-d", "--name", name, "--network", "crowd", IMAGE, "sleep", "1000000")
    meter.settle()
