"""What a thousand published ports cost: one more of them, and a new connection; and how fast a name moves on."""

import functools
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.commands import run, wait_until
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows

_FEW, _MANY = 10, 1000
_FIRST_PORT, _EXTRA_PORT = 30000, 29000
_TURNS = 3
_ROUNDS = 7
_CONNECTIONS = 2000
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close at once, so that no port of the client is kept (TIME_WAIT), which others would have to pass over."""
_ACCEPT = """
import socket
server = socket.create_server(("", 80), backlog=1024)
while True:
    server.accept()[0].close()
"""


def measure_ports(engine: Engine) -> Rows:
    """Return the rows; hold alone keeps no process for each port. Few ports and many take turns."""
    samples: dict[str, list[float]] = {}
    _apply(engine, _render("single", ()))
    for count in (_FEW, _MANY) * _TURNS:
        _apply(engine, _render("crowd", range(_FIRST_PORT, _FIRST_PORT + count)))
        engine.run("wait", "--for=condition=Ready", "container", "--all", "--timeout", "120s")
        last = _FIRST_PORT + count - 1
        with _serving(engine, "crowd"), _serving(engine, "single"):
            wait_until(functools.partial(_connects, last), "the last port")
            row = f"connection by a published port, {count:,} published (processor time)"
            samples.setdefault(row, []).extend(_list_connections(last))
            installed, connected = _measure_one_more(engine)
            row = f"one more published port, {count:,} there, from the call to"
            samples.setdefault(f"{row} the rule", []).extend(installed)
            samples.setdefault(f"{row} the first connection", []).extend(connected)
    engine.run("rm", "-f", "crowd", "single")
    return {row: statistics.median(values) for row, values in samples.items()} | _measure_name(engine)


def _render(name: str, ports: Iterable[int]) -> str:
    published = ", ".join(f'"{port}:80"' for port in ports)
    return (
        f"apiVersion: hold/v1\nkind: Container\nmetadata: {{name: {name}}}\n"
        f"spec: {{image: '{IMAGE}', command: [sleep, '100000'], ports: [{published}]}}\n"
    )


@contextmanager
def _serving(engine: Engine, name: str) -> Iterator[None]:
    """Accept connections at port 80 of a container for the length of the block."""
    command = ["nsenter", "-t", _find_pid(engine, name), "-n", sys.executable, "-c", _ACCEPT]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def _apply(engine: Engine, manifest: str) -> None:
    environment = {**os.environ, **engine.environment}
    subprocess.run(
        [*engine.command, "apply", "-f", "-"],
        input=manifest.encode(),
        check=True,
        capture_output=True,
        env=environment,
    )


def _find_pid(engine: Engine, name: str) -> str:
    found = re.search(r'"pid": (\d+)', engine.run("get", "container", name, "-o", "json"))
    return found[1] if found else ""


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _list_connections(port: int) -> list[float]:
    """Return the processor time of each connection, of both ends: the kernel carries out all of it in the client's call."""
    times = []
    for _ in range(_CONNECTIONS):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            start = time.thread_time()
            client.connect(("127.0.0.1", port))
            times.append(time.thread_time() - start)
    return times


def _measure_one_more(engine: Engine) -> tuple[list[float], list[float]]:
    """Return times from the call that publishes one more port, of another container: to its rule, to a connection by it."""
    script = Path(__file__).with_name("port_latency.py")
    python = str(Path(engine.command[0]).with_name("python"))
    answer = run([python, str(script), str(_EXTRA_PORT), str(_ROUNDS)], engine.environment)
    lines = [line.split() for line in answer.splitlines()]
    return [float(rule) for rule, _ in lines], [float(connection) for _, connection in lines]


def _measure_name(engine: Engine) -> Rows:
    """Return how long after a container is made anew, with another address, its name leads there."""
    engine.run("network", "create", "names")
    engine.run("run", "-d", "--name", "asker", "--network", "names", IMAGE, "sleep", "100000")
    asker = ("nsenter", "-t", _find_pid(engine, "asker"), "-n")
    gateway = re.search(r"via ([0-9.]+)", run([*asker, "ip", "route"]))
    times = []
    for number in range(_ROUNDS):
        engine.run("run", "-d", "--name", "mover", "--network", "names", IMAGE, "sleep", "100000")
        start = time.perf_counter()
        address = re.search(r'"ipv4": "([0-9.]+)"', engine.run("get", "container", "mover", "-o", "json"))
        wanted = address[1] if address is not None else ""
        lookup = [*asker, "/bin/busybox", "nslookup", "-type=a", "mover", gateway[1] if gateway else ""]
        while wanted not in subprocess.run(lookup, capture_output=True, text=True, check=False).stdout:
            if time.perf_counter() - start > 30:
                raise TimeoutError("the name does not follow")
        times.append(time.perf_counter() - start)
        engine.run("rm", "-f", "mover")
        if number % 2:  # the next one gets another address
            engine.run(
                "run", "-d", "--name", f"filler{number}", "--network", "names", IMAGE, "sleep", "100000"
            )
    engine.run("delete", "container", "--all", "--grace-period", "0")
    engine.run("network", "rm", "names")
    return {"a name leads to a container made anew, after its start is told": statistics.median(times)}
