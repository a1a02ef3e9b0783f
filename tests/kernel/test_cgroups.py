"""Which cgroup trees are there: what a mount covers does not count."""

from pathlib import Path

from controller.kernel.cgroups import Cgroups
from controller.kernel.mountinfo import read_mounts


def test_covered_trees_do_not_count() -> None:
    """The test host mounts trees of its own over the machine's, whose mounts are still listed."""
    cgroups = Cgroups.find("hold")
    assert len(set(cgroups.mount_paths)) == len(cgroups.mount_paths)
    assert all(Path(path).is_dir() for path in cgroups.mount_paths)
    listed = {entry.target for entry in read_mounts() if entry.kind == "cgroup2"}
    visible = {path for path in listed if Path(path, "cgroup.procs").exists()}
    assert cgroups.hybrid == (bool(cgroups.v1_paths) and bool(visible))
