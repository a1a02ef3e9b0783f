"""Networks: making one, removing one; the same for every engine."""

import functools
import statistics

from tests.bench.commands import time_s
from tests.bench.engines import Engine
from tests.bench.measures import Rows

NETWORK_CREATE = "network create"
NETWORK_REMOVE = "network remove"
_ROUNDS = 7


def measure_networks(engine: Engine) -> Rows:
    """Return the rows that every engine can have."""
    creations, removals = [], []
    for number in range(_ROUNDS):
        name = f"bench{number}"
        creations.append(time_s(functools.partial(engine.run, "network", "create", name)))
        removals.append(time_s(functools.partial(engine.run, "network", "rm", name)))
    return {NETWORK_CREATE: statistics.median(creations), NETWORK_REMOVE: statistics.median(removals)}
