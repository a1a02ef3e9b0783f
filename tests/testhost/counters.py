"""How much a daemon and its host have of everything, so that a test can show that it does not grow."""

import os
import subprocess
from pathlib import Path

_RULES = (("iptables-save",), ("ip6tables-save",), ("nft", "list", "ruleset"))

Counters = dict[str, int]
"""What is counted, by name; memory is in bytes."""


def read_counters(daemon_pid: int, root_path: Path, run_path: Path) -> Counters:
    """Count now: the daemon's and its helpers' resources, the host's kernel objects, files on disk."""
    pids = [daemon_pid, *_find_children(daemon_pid)]
    return {
        "descriptors": sum(_count_entries(Path(f"/proc/{pid}/fd")) for pid in pids),
        "helpers": len(pids),
        "processes": sum(path.name.isdigit() for path in Path("/proc").iterdir()),
        "mounts": len(Path(f"/proc/{daemon_pid}/mountinfo").read_text().splitlines()),
        "cgroups": sum(len(folders) for _, folders, _ in os.walk("/sys/fs/cgroup")),
        "links": _count_entries(Path("/sys/class/net")),
        "rules": sum(len(_run(command).splitlines()) for command in _RULES),
        "files below root": _count_files(root_path),
        "files below run": _count_files(run_path),
        "network namespaces": len({path.stat().st_ino for path in _list_namespaces(run_path)}),
        "memory": sum(map(read_pss_bytes, pids)),
    }


def read_pss_bytes(pid: int) -> int:
    """Return a process' proportional share of memory; 0 when it has ended (proc_pid_smaps_rollup(5))."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _find_children(pid: int) -> list[int]:
    """Return the living children; conmon's are process 1's."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return [child for child in found if read_pss_bytes(child)]


def _list_namespaces(run_path: Path) -> list[Path]:
    return [*run_path.glob("netns/*"), *Path("/run/netns").glob("*")]


def _count_entries(path: Path) -> int:
    return sum(1 for _ in path.iterdir())


def _count_files(path: Path) -> int:
    return sum(len(files) + len(folders) for _, folders, files in os.walk(path))


def _run(command: tuple[str, ...]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
