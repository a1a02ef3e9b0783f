"""Processor time of a daemon with all that it starts, to the microsecond, as cgroups count it: `metered(pid, ...)`.

Times in /proc are in hundredths of a second, and those of processes that end unseen are lost there.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = "meter"
_NS_PER_S = 1_000_000_000
_US_PER_S = 1_000_000
_LOOK_S = 0.5
_AT_REST_S = 0.01


class ProcessorMeter:
    """Reads what some groups have used together."""

    def __init__(self, group_paths: Sequence[Path]) -> None:
        self._group_paths = tuple(group_paths)

    def read_s(self) -> float:
        """Return the processor time used so far; groups that are not there have used none."""
        return sum(map(_read_usage_s, self._group_paths))

    def settle(self) -> None:
        """Wait until all has been done that what was done before brings about."""
        before_s = float("-inf")
        while (now_s := self.read_s()) - before_s > _AT_REST_S:
            before_s = now_s
            time.sleep(_LOOK_S)


@contextlib.contextmanager
def metered(pid: int, *, containers: str = "hold") -> Iterator[ProcessorMeter]:
    """Count a process, its children and what they start; `containers` is the group that containers are moved to."""
    tree_path = _ROOT / "cpuacct" if (_ROOT / "cpuacct").is_dir() else _ROOT
    own_path = tree_path / _OWN
    own_path.mkdir(exist_ok=True)
    try:
        for each in (pid, *_list_descendants(pid)):
            _move(each, own_path)
        yield ProcessorMeter([own_path, tree_path / containers])
    finally:
        while pids := (own_path / "cgroup.procs").read_text().split():
            for each in map(int, pids):
                _move(each, tree_path)
        own_path.rmdir()


def _move(pid: int, group_path: Path) -> None:
    with contextlib.suppress(ProcessLookupError):
        (group_path / "cgroup.procs").write_text(str(pid))


def _list_descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_list_descendants(child)]
    return found


def _read_usage_s(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return int((path / "cpuacct.usage").read_text()) / _NS_PER_S
    with contextlib.suppress(FileNotFoundError):
        fields = dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / _US_PER_S
    return 0.0
