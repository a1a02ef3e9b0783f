"""Networks: making one, removing one, and how long a few gigabytes take; the same for every engine."""

import functools
import json
import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.commands import CommandFailed, run, time_s
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows
from tests.testhost.peer import connected_peer

NETWORK_CREATE = "network create"
NETWORK_REMOVE = "network remove"
BETWEEN_CONTAINERS = "4 GiB from container to container"
BY_PORT = "4 GiB from the host by a published port"
OUTSIDE = "4 GiB from a container to another machine"

_ROUNDS = 7
_TRANSFERS = 5
_TRANSFER = "4G"
_PORT, _HOST_PORT = 5201, 25201
_TRIES = 200


def measure_networks(engine: Engine) -> Rows:
    """Return the rows that every engine can have."""
    return _measure_life(engine) | _measure_transfers(engine)


def _measure_life(engine: Engine) -> Rows:
    creations, removals = [], []
    for number in range(_ROUNDS):
        name = f"bench{number}"
        creations.append(time_s(functools.partial(engine.run, "network", "create", name)))
        removals.append(time_s(functools.partial(engine.run, "network", "rm", name)))
    return {NETWORK_CREATE: statistics.median(creations), NETWORK_REMOVE: statistics.median(removals)}


def _measure_transfers(engine: Engine) -> Rows:
    """Programs of the host are run in containers' networks, so that all engines carry the same."""
    engine.run("network", "create", "wire")
    sleep = (IMAGE, "sleep", "1000")
    engine.run("run", "-d", "--name", "server", "--network", "wire", "-p", f"{_HOST_PORT}:{_PORT}", *sleep)
    engine.run("run", "-d", "--name", "client", "--network", "wire", *sleep)
    try:
        server, client = (_enter(engine, name) for name in ("server", "client"))
        address = re.search(r"inet (10[.0-9]+|172[.0-9]+)/", run([*server, "ip", "-4", "address"]))
        if address is None:
            raise CommandFailed("the server has no address")
        with _serving(server), connected_peer("wire") as peer:
            rows = {
                BETWEEN_CONTAINERS: _transfer_s(client, address[1], _PORT),
                BY_PORT: _transfer_s((), _find_own_address(), _HOST_PORT),
            }
            with _serving(("nsenter", f"--net=/run/netns/{peer.name}")):
                return rows | {OUTSIDE: _transfer_s(client, peer.address, _PORT)}
    finally:
        engine.run(*engine.remove, "server", "client")
        engine.run("network", "rm", "wire")


def _enter(engine: Engine, name: str) -> tuple[str, ...]:
    found = re.search(r'"[Pp]id": (\d+)', engine.run("inspect", name))
    if found is None:
        raise CommandFailed(f"{name} has no process")
    return ("nsenter", "-t", found[1], "-n")


def _find_own_address() -> str:
    """Return an address of the host that is not its loopback's: the cable's end."""
    return "192.0.2.1"


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


def _transfer_s(prefix: Sequence[str], host: str, port: int) -> float:
    """Return the median time of some transfers."""
    command = [*prefix, "iperf3", "-c", host, "-p", str(port), "-n", _TRANSFER, "-J"]
    return statistics.median(_transfer_once_s(command) for _ in range(_TRANSFERS))


def _transfer_once_s(command: Sequence[str]) -> float:
    """Try until the server listens, and is done with whoever came before."""
    reason = ""
    for _ in range(_TRIES):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return float(json.loads(answer.stdout)["end"]["sum_received"]["seconds"])
        reason = answer.stdout + answer.stderr
    raise CommandFailed(f"{' '.join(command)}: {reason}")
