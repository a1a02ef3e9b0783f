"""`make compare`: runs in a test host; prints what Docker and hold answer to the probe, and where hold is weaker."""

import json
import sys
import tempfile
from pathlib import Path

from tests.bench.engines import IMAGE, Engine, docker, hold, make_image_archive
from tests.compare.verdict import Row, compare

PROBE_PATH = Path(__file__).with_name("probe.py")
NAMESPACES = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
SHARED_PATHS = ("/usr", "/lib", "/lib64")
"""Where the host's Python and its libraries lie."""


def run_probe(engine: Engine, *, image: str = IMAGE) -> dict[str, str]:
    """Run the probe in a container of an engine."""
    words = ["run", "--rm"]
    for path in SHARED_PATHS:
        words += ["-v", f"{path}:{path}:ro"]
    for name in NAMESPACES:
        words += ["-e", f"HOST_{name.upper()}={Path(f'/proc/self/ns/{name}').readlink()}"]
    script = PROBE_PATH.read_text()
    answers: dict[str, str] = json.loads(engine.run(*words, image, "/usr/bin/python3", "-c", script))
    return answers


def main() -> int:
    """Compare; 1 when hold lets anything through that Docker refuses."""
    with tempfile.TemporaryDirectory(
        prefix="hold-compare-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as scratch:
        scratch_path = Path(scratch)
        archive_path = make_image_archive(scratch_path)
        with docker(scratch_path, archive_path) as engine:
            theirs = run_probe(engine)
        with hold(scratch_path, archive_path) as engine:
            ours = run_probe(engine)
    rows = compare(theirs, ours)
    print("\n".join(map(str, rows)))
    weaker = [row for row in rows if row.verdict == Row.WEAKER]
    print(f"{len(rows)} attempts; hold is weaker in {len(weaker)}")
    return 1 if weaker else 0


if __name__ == "__main__":
    sys.exit(main())
