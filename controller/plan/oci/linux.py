"""The part of the configuration that is Linux's own: namespaces, limits, devices, hidden paths."""

from typing import Any

from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_cgroup
from controller.model.resources import Resources
from controller.plan.oci.seccomp import render_seccomp

CPU_PERIOD_US = 100_000

_MASKED_PATHS = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip
_READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
_NETWORK_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}

_DEVICES = [
    ("c", 1, 3), ("c", 1, 5), ("c", 1, 7), ("c", 1, 8), ("c", 1, 9), ("c", 5, 0), ("c", 5, 2), ("c", 136, None),
]  # fmt: skip
"""null, zero, full, random, urandom, tty, ptmx and pseudo-terminals (devices.txt of the kernel)."""


def render_linux(
    uid: Uid, resources: Resources, layout: Layout, *, network_mode: str | None
) -> dict[str, Any]:
    """Return `linux` of the OCI configuration."""
    shares_network = network_mode == "host"
    namespaces: list[dict[str, str]] = [{"type": kind} for kind in ("pid", "mount", "uts", "ipc", "cgroup")]
    if not shares_network:
        namespaces.append({"type": "network", "path": layout.netns_path(uid)})
    return {
        "cgroupsPath": derive_cgroup(layout.instance, uid),
        "namespaces": namespaces,
        "resources": {"devices": _render_devices(), **_render_limits(resources)},
        "sysctl": {} if shares_network else dict(_NETWORK_SYSCTLS),
        "seccomp": render_seccomp(),
        "maskedPaths": list(_MASKED_PATHS),
        "readonlyPaths": list(_READ_ONLY_PATHS),
    }


def _render_devices() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in ("c", "b")]
    for kind, major, minor in _DEVICES:
        rule: dict[str, Any] = {"allow": True, "type": kind, "major": major, "access": "rwm"}
        rules.append(rule | ({"minor": minor} if minor is not None else {}))
    return rules


def _render_limits(resources: Resources) -> dict[str, Any]:
    """Memory with swap may be twice the memory, Docker's default."""
    limits: dict[str, Any] = {}
    if resources.memory_bytes is not None:
        limits["memory"] = {"limit": resources.memory_bytes, "swap": 2 * resources.memory_bytes}
    if resources.cpus is not None:
        limits["cpu"] = {"quota": max(1000, round(resources.cpus * CPU_PERIOD_US)), "period": CPU_PERIOD_US}
    if resources.pids is not None:
        limits["pids"] = {"limit": resources.pids}
    return limits
