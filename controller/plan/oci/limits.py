"""Limits in the configuration of the OCI runtime: cgroups and setrlimit(2).

Limits of block devices are not here: the configuration names devices by number, which only the host knows, so they are
set once the cgroup is there and before the program runs.
"""

from collections.abc import Mapping
from typing import Any

from controller.model.resources import DEFAULT_CPU_PERIOD_US, UNLIMITED, Resources, Ulimit, UlimitName
from controller.plan.cgroup_files import derive_quota_us
from controller.plan.limits import derive_limits

UNLIMITED_RLIMIT = 2**64 - 1
NOFILE_SOFT = 1024
"""The soft limit that programs using select(2) can live with; those that can use more raise it themselves."""
NOFILE_HARD = 524288


def render_limits(resources: Resources) -> dict[str, Any]:
    """Return what `linux.resources` has of memory, processors and processes; empty without limits."""
    want = derive_limits(resources)
    sections: dict[str, dict[str, Any]] = {
        "memory": {
            "limit": want.memory_bytes,
            "swap": UNLIMITED if resources.memory_swap_bytes == UNLIMITED else want.memory_swap_bytes,
            "reservation": want.memory_reservation_bytes,
            "swappiness": want.memory_swappiness,
            "disableOOMKiller": want.oom_kill_disable or None,
        },
        "cpu": {
            "quota": derive_quota_us(want),
            "period": None if want.cpus is None else want.cpu_period_us or DEFAULT_CPU_PERIOD_US,
            "shares": want.cpu_shares,
            "cpus": want.cpuset_cpus,
            "mems": want.cpuset_mems,
        },
        "pids": {"limit": want.pids},
    }
    rendered = {
        section: {name: value for name, value in values.items() if value is not None}
        for section, values in sections.items()
    }
    return {section: values for section, values in rendered.items() if values}


def render_rlimits(ulimits: Mapping[UlimitName, Ulimit]) -> list[dict[str, Any]]:
    """Return `process.rlimits`: the spec's, and a number of files that is no surprise."""
    limits: dict[UlimitName, Ulimit] = {"nofile": Ulimit(soft=NOFILE_SOFT, hard=NOFILE_HARD), **ulimits}
    return [
        {"type": f"RLIMIT_{name.upper()}", "soft": _convert(limit.soft), "hard": _convert(limit.hard)}
        for name, limit in sorted(limits.items())
    ]


def _convert(limit: int) -> int:
    return UNLIMITED_RLIMIT if limit == UNLIMITED else limit
