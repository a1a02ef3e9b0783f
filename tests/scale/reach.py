"""Who reaches whom on a crowded network, by address and by name."""

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.machine import Machine

_PAIRS = 300
_ENDS = 3
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    name: str
    pid: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What came of a sample: how many pairs were tried, how many more than once, and what never answered.

    A test host can't give the kernel room for frames to a thousand ports, so some are lost once.
    """

    pairs: int
    late: int
    silent: tuple[str, ...]


def try_sample(machine: Machine) -> Reach:
    """Let containers of a sample reach others by address and by name, the first ones and the last ones among them."""
    answers = [_try_pair(*pair) for pair in _choose_pairs(_list_members(machine))]
    return Reach(
        pairs=len(answers),
        late=sum(tries > 1 for _, tries in answers),
        silent=tuple(silence for silence, _ in answers if silence),
    )


def _try_pair(one: "_Member", other: "_Member") -> tuple[str, int]:
    """Return what did not answer, empty when all did, and how often it was tried."""
    silence = ""
    for tries in range(1, _TRIES + 1):
        silence = _find_silence(one, other)
        if not silence:
            return "", tries
    return silence, _TRIES


def _list_members(machine: Machine) -> list[_Member]:
    containers = json.loads(machine.succeed("get", "containers", "-o", "json"))["items"]
    return [
        _Member(
            name=each["metadata"]["name"],
            pid=each["status"]["pid"],
            address=each["status"]["networks"][0]["ipv4"],
        )
        for each in containers
    ]


def _choose_pairs(members: list[_Member]) -> Iterator[tuple[_Member, _Member]]:
    chance = random.Random(1)
    ordered = sorted(members, key=lambda each: each.name)
    ends = ordered[:_ENDS] + ordered[-_ENDS:]
    yield from ((one, other) for one in ends for other in ends if one is not other)
    for _ in range(_PAIRS):
        one, other = chance.sample(ordered, 2)
        yield one, other


def _find_silence(one: _Member, other: _Member) -> str:
    """Return what did not answer, empty when all did; a name has to lead to the address that the status tells."""
    enter = ["nsenter", "-t", str(one.pid), "-n", "-m", "-r", "-w", "/bin/busybox"]
    ping = [*enter, "ping", "-c1", "-W10"]
    answers = [
        subprocess.run([*ping, target], capture_output=True, text=True, check=False)
        for target in (other.address, other.name)
    ]
    if answers[0].returncode != 0:
        return f"{one.name} to {other.address}"
    if answers[1].returncode != 0 or f"({other.address})" not in answers[1].stdout:
        return f"{one.name} to {other.name}"
    return ""
