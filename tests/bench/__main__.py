"""`make bench`: runs in a test host; writes BENCHMARKS.md."""

import sys
import tempfile
from pathlib import Path

from tests.bench.content import measure_contents
from tests.bench.engines import docker, hold, make_image_archive, podman
from tests.bench.hold_only import measure_hold
from tests.bench.measures import Rows, measure_engine
from tests.bench.networks import measure_networks
from tests.bench.port_counts import measure_ports
from tests.bench.report import write_report
from tests.bench.streams import measure_streams
from tests.bench.transfers import measure_transfers
from tests.bench.volumes import measure_volumes

_REPORT_PATH = Path("BENCHMARKS.md")


def main() -> int:
    """Measure the engines one after another and write the table."""
    results: dict[str, Rows] = {}
    with tempfile.TemporaryDirectory(
        prefix="hold-bench-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as scratch:
        scratch_path = Path(scratch)
        archive_path = make_image_archive(scratch_path)
        starts = (hold, docker, podman)
        for start in starts:
            with start(scratch_path, archive_path) as engine:
                print(f"measuring {engine.name}", file=sys.stderr)
                results[engine.name] = measure_engine(engine) | measure_streams(engine)
                results[engine.name] |= measure_volumes(engine, scratch_path)
                results[engine.name] |= measure_networks(engine)
                if engine.name == "hold":
                    results[engine.name] |= measure_hold(engine) | measure_ports(engine)
        for name, rows in measure_transfers(starts, archive_path, scratch_path).items():
            results[name] |= rows
        write_report(_REPORT_PATH, results)  # what takes longest comes last
        for name, rows in measure_contents(starts, archive_path, scratch_path).items():
            results[name] |= rows
    print(write_report(_REPORT_PATH, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
