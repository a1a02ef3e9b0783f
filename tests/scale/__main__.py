"""`python -m tests.scale [COUNT] [STEP]`, in a test host: so many containers on one network, all reached by all.

Tells how long a start takes from the first to the last, STEP at a time, and what did not answer.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine import Machine

_SAMPLES = 200
_NETWORK = """
apiVersion: hold/v1
kind: Network
metadata: {name: crowd}
spec: {subnets: [10.64.0.0/16]}
"""
_CONTAINER = """
---
apiVersion: hold/v1
kind: Container
metadata: {{name: c{number}}}
spec: {{image: box:1, command: [sleep, "1000000"], networks: [crowd]}}
"""


@contextmanager
def _running_machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(
        prefix="hold-scale-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as scratch:
        (Path(scratch) / "resolv.conf").write_text("nameserver 127.0.0.53\n")
        machine = Machine(Path(scratch), options=["--resolv-conf", f"{scratch}/resolv.conf"])
        machine.start_daemon()
        try:
            machine.import_image("box:1")
            machine.succeed("apply", "-f", "-", stdin=_NETWORK)
            yield machine
        finally:
            machine.purge()


def _start(machine: Machine, first: int, count: int) -> float:
    """Start containers and return the seconds until all of them run."""
    manifest = _NETWORK + "".join(_CONTAINER.format(number=number) for number in range(first, first + count))
    start = time.perf_counter()
    machine.succeed("apply", "-f", "-", stdin=manifest)
    machine.succeed("wait", "--for=condition=Ready", "container", "--all", "--timeout=110s")
    return time.perf_counter() - start


def _find_silent(machine: Machine) -> list[str]:
    """Let containers of a sample reach others, the first ones and the last ones among them."""
    containers = json.loads(machine.succeed("get", "containers", "-o", "json"))["items"]
    everyone = [
        (each["metadata"]["name"], each["status"]["pid"], each["status"]["networks"][0]["ipv4"])
        for each in containers
    ]
    everyone.sort(key=lambda each: int(each[0][1:]))
    chance = random.Random(1)
    ends = everyone[:3] + everyone[-3:]
    pairs = [(one, other) for one in ends for other in ends if one is not other]
    pairs += [(one, other) for one, other in (chance.sample(everyone, 2) for _ in range(_SAMPLES))]
    return [f"{one[0]} to {other[0]}" for one, other in pairs if not _reaches(one[1], other[2])]


def _reaches(pid: int, address: str) -> bool:
    command = ["nsenter", "-t", str(pid), "-n", "ping", "-c1", "-W10", "-q", address]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main(count: int, step: int) -> int:
    """Start them, step by step; returns the exit code."""
    with _running_machine() as machine:
        for first in range(0, count, step):
            size = min(step, count - first)
            each_ms = _start(machine, first, size) / size * 1000
            print(f"{first + 1:5} to {first + size:5}: {each_ms:6.1f} ms each", flush=True)
        silent = _find_silent(machine)
    print(f"{_SAMPLES} pairs and the ends tried, {len(silent)} silent", *silent)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1] if sys.argv[1:] else 1500), int(sys.argv[2] if sys.argv[2:] else 100)))
