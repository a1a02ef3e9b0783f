"""How long a gigabyte takes on its ways from and to containers; engines take turns, each alone on a host without rules."""

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.commands import CommandFailed, run
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows
from tests.testhost.peer import Peer, connected_peer

BETWEEN_CONTAINERS = "1 GiB from container to container"
BY_PORT = "1 GiB from the host by a published port"
OUTSIDE = "1 GiB from a container to another machine"
PROCESSOR_TIME = ", processor time of both ends"

_TURNS = 5
_TRANSFERS = 2
_TRANSFER = "1G"
_PROCESSORS = "0,1"
"""Those that client and server stay on, so that where they meet is no matter of luck."""
_PORT, _HOST_PORT = 5201, 25201
_TRIES, _PAUSE_S = 200, 0.05
_NO_RULES = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT\n" for chain in chains) + "COMMIT\n"
    for table, chains in {
        "raw": ("PREROUTING", "OUTPUT"),
        "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
    }.items()
)

Start = Callable[[Path, Path], AbstractContextManager[Engine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From where, as words before a command, to which address and port."""

    prefix: tuple[str, ...]
    host: str
    port: int


def measure_transfers(starts: Sequence[Start], archive_path: Path, scratch_path: Path) -> dict[str, Rows]:
    """Return rows by engine."""
    samples: dict[str, dict[str, list[float]]] = {}
    for start in (*starts,) * _TURNS:
        with start(scratch_path, archive_path) as engine, connected_peer("wire") as peer:
            rows = samples.setdefault(engine.name, {})
            for row, way in _list_ways(engine, peer):
                for _ in range(_TRANSFERS):
                    taken_s, processor_s = _transfer(way)
                    rows.setdefault(row, []).append(taken_s)
                    rows.setdefault(row + PROCESSOR_TIME, []).append(processor_s)
        for program in ("iptables-restore", "ip6tables-restore"):
            subprocess.run([program], input=_NO_RULES, text=True, check=True)
    return {
        name: {row: statistics.median(values) for row, values in rows.items()}
        for name, rows in samples.items()
    }


def _list_ways(engine: Engine, peer: Peer) -> Iterator[tuple[str, _Way]]:
    """Yield each way while a server listens at its end.

    Programs of the host are run in containers' networks, so that all engines carry the same.
    """
    engine.run("network", "create", "wire")
    sleep = (IMAGE, "sleep", "1000")
    engine.run("run", "-d", "--name", "server", "--network", "wire", "-p", f"{_HOST_PORT}:{_PORT}", *sleep)
    engine.run("run", "-d", "--name", "client", "--network", "wire", *sleep)
    try:
        server, client = (_enter(engine, name) for name in ("server", "client"))
        address = re.search(r"inet (10[.0-9]+|172[.0-9]+)/", run([*server, "ip", "-4", "address"]))
        if address is None:
            raise CommandFailed("the server has no address")
        with _serving(server):
            yield BETWEEN_CONTAINERS, _Way(prefix=client, host=address[1], port=_PORT)
            yield BY_PORT, _Way(prefix=(), host=peer.host_address, port=_HOST_PORT)
        with _serving(("nsenter", f"--net=/run/netns/{peer.name}")):
            yield OUTSIDE, _Way(prefix=client, host=peer.address, port=_PORT)
    finally:
        engine.run(*engine.remove, "server", "client")
        engine.run("network", "rm", "wire")


def _enter(engine: Engine, name: str) -> tuple[str, ...]:
    found = re.search(r'"[Pp]id": (\d+)', engine.run("inspect", name))
    if found is None:
        raise CommandFailed(f"{name} has no process")
    return ("nsenter", "-t", found[1], "-n")


@contextmanager
def _serving(prefix: Sequence[str]) -> Iterator[None]:
    server = subprocess.Popen(
        [*prefix, "iperf3", "-s", "-p", str(_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def _transfer(way: _Way) -> tuple[float, float]:
    """Return the seconds that a transfer took, and the processor time of client and server.

    Tries until the server listens, and is done with whoever came before.
    """
    command = [
        *way.prefix,
        "iperf3",
        "-c",
        way.host,
        "-p",
        str(way.port),
        "-n",
        _TRANSFER,
        "-A",
        _PROCESSORS,
        "-J",
    ]
    reason = ""
    for _ in range(_TRIES):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        end = json.loads(answer.stdout)["end"] if answer.returncode == 0 else {}
        if "sum_received" in end:
            taken_s, used = float(end["sum_received"]["seconds"]), end["cpu_utilization_percent"]
            return taken_s, taken_s * (used["host_total"] + used["remote_total"]) / 100
        reason = answer.stdout + answer.stderr
        time.sleep(_PAUSE_S)
    raise CommandFailed(f"{' '.join(command)}: {reason}")
