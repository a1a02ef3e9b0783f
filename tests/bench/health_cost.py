"""What health checks cost: processor time of the daemon, of its helper and of the programs that it runs."""

import os
import subprocess
import time
from pathlib import Path

from tests.bench.commands import wait_until
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows

_CHECKED = 40
_MEASURED_S = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def measure_health(engine: Engine) -> Rows:
    """Return the cost of 40 checks a second, as 200 containers with a check every 5 s have them."""
    document = "\n---\n".join(
        f"apiVersion: hold/v1\nkind: Container\nmetadata: {{name: checked{index}}}\n"
        f"spec: {{image: '{IMAGE}', command: [sleep, '1000'], networkMode: none, stopGracePeriod: 0,"
        f" healthcheck: {{test: [CMD, /bin/true], interval: 1s}}}}"
        for index in range(_CHECKED)
    )
    environment = {**os.environ, **engine.environment}
    subprocess.run([*engine.command, "apply", "-f", "-"], input=document.encode(), check=True,
                   capture_output=True, env=environment)  # fmt: skip
    engine.run("wait", "--for=condition=Healthy", "container", "--all", "--timeout", "300s")
    daemon = engine.daemon_pids[0]
    wait_until(lambda: _find_helper(daemon) > 0, "the helper of checks")
    helper = _find_helper(daemon)
    time.sleep(2)
    before, began = _read_cpu_s(daemon, helper), time.monotonic()
    time.sleep(_MEASURED_S)
    spent, taken = _read_cpu_s(daemon, helper) - before, time.monotonic() - began
    engine.run("delete", "container", "--all", "--grace-period", "0")
    return {"40 health checks a second, their programs included (processor time)": spent / taken}


def _find_helper(daemon: int) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
            parent = int(path.with_name("stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"probe_child" in words and parent == daemon:
            return int(path.parent.name)
    return 0


def _read_cpu_s(daemon: int, helper: int) -> float:
    """Return seconds of the daemon alone, and of the helper with the children that it has waited for."""
    ticks = [int(each) for each in _read_times(daemon)[:2] + _read_times(helper)]
    return sum(ticks) / _TICKS_PER_S


def _read_times(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]
