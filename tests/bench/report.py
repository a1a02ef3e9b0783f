"""Writes the table."""

import platform
from collections.abc import Mapping
from pathlib import Path

from tests.bench.measures import Rows

TARGETS = {
    "run --rm true, bridge": "0.35 x Docker",
    "run --rm true, without network": "0.40 x Docker",
    "start detached with a port, one by one, each": "0.25 x Docker",
    "start 50 detached with a port at once, each": "0.12 x Docker",
    "remove 50 at once, each": "0.25 x Docker",
    "memory per running container": "400 kB",
    "memory of the daemon without containers": "90 MB",
    "kill -9 to running again (restart always)": "40 ms",
    "deleted veth repaired": "100 ms",
    "flushed firewall repaired": "100 ms",
    "pull a large image": "0.35 x Docker",
    "pull a large image, on the machine's own disk": "0.75 x Docker",
    "unpack the layers alone, digests checked": "1.2 x the row below",
    "unpack the layers alone, digests checked, on the machine's own disk": "1.2 x the row below",
    "no-op resync, 1,000 objects (processor time)": "200 ms",
    "stats, 500 containers, two watchers, each second (processor time)": "150 ms",
    "memory that 1,000 short-lived containers leave": "5 MB",
    "one more published port, 1,000 there, from the call to the rule": "30 ms",
    "count of what 1,000 short-lived containers leave": "0",
    "40 health checks a second, their programs included (processor time)": "100 ms",
}

_MILLISECOND = 0.001


def write_report(path: Path, results: Mapping[str, Rows]) -> str:
    """Write BENCHMARKS.md out of rows by engine; returns its text. Ratios are hold's value divided by a peer's."""
    peers = [name for name in results if name != "hold"]
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` on Linux {platform.release()}, {platform.machine()}; all engines in one run on one host. Times are",
        "medians. A ratio is hold's value divided by the peer's: smaller is better.",
        "",
        "| measured | hold | " + " | ".join(f"{name} | ratio" for name in peers) + " | target |",
        "|---" * (3 + 2 * len(peers)) + "|",
    ]
    lines += [_render_row(row, results, peers) for row in results["hold"]]
    text = "\n".join(lines) + "\n"
    path.write_text(text)
    return text


def _render_row(row: str, results: Mapping[str, Rows], peers: list[str]) -> str:
    own = results["hold"][row]
    cells = [row, _render_value(row, own)]
    for peer in peers:
        value = results[peer].get(row)
        cells += [_render_value(row, value), f"{own / value:.2f}"] if value else ["-", "-"]
    return "| " + " | ".join([*cells, TARGETS.get(row, "")]) + " |"


def _render_value(row: str, value: float) -> str:
    if row.startswith("count"):
        return f"{value:,.0f}"
    if "memory" in row:
        return f"{value / 1000:,.0f} kB"
    return f"{value * 1000:,.1f} ms" if value >= _MILLISECOND else f"{value * 1e6:,.1f} us"
