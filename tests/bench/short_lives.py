"""What short-lived containers leave behind: a thousand of them, then everything is counted again."""

import functools
import time
from pathlib import Path

from tests.bench.commands import at_once
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows
from tests.testhost.counters import Counters, read_counters

_LIVES = 1000
_WARM_UP = 100
_WIDTH = 8
_SETTLED_AFTER_S = 5.0
_FIRST_PORT = 30000


def measure_short_lives(engine: Engine) -> Rows:
    """Return by how much the daemon's memory and the number of all else that is counted have grown."""
    _live(engine, _WARM_UP)
    before = _count(engine)
    _live(engine, _LIVES)
    after = _count(engine)
    grown = sum(max(0, after[name] - before[name]) for name in after if name != "memory")
    return {
        f"memory that {_LIVES:,} short-lived containers leave": float(after["memory"] - before["memory"]),
        f"count of what {_LIVES:,} short-lived containers leave": float(grown),
    }


def _live(engine: Engine, lives: int) -> None:
    at_once([functools.partial(_live_once, engine, number) for number in range(lives)], _WIDTH)


def _live_once(engine: Engine, number: int) -> None:
    engine.run("run", "--rm", "-v", "/data", "-p", f"{_FIRST_PORT + number}:80", IMAGE, "true")


def _count(engine: Engine) -> Counters:
    time.sleep(_SETTLED_AFTER_S)
    pid = engine.daemon_pids[0]
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    root_path, run_path = (Path(words[words.index(flag) + 1]) for flag in ("--root", "--run"))
    return read_counters(pid, root_path, run_path)
