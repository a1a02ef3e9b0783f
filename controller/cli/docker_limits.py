"""Limits and health in Docker's fields, for templates of `hold inspect`."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

_NS = 1_000_000_000


def view_limits(spec: Document) -> dict[str, Any]:
    """Return the part of HostConfig that limits a container; 0 is without a limit, as Docker has it."""
    limits = spec.get("resources", {})
    block = limits.get("blockIO", {})
    memory = limits.get("memory", 0)
    return {
        "Memory": memory,
        "MemorySwap": limits.get("memorySwap", 2 * memory),
        "MemoryReservation": limits.get("memoryReservation", 0),
        "MemorySwappiness": limits.get("memorySwappiness"),
        "OomKillDisable": limits.get("oomKillDisable", False),
        "OomScoreAdj": spec.get("oomScoreAdj", 0),
        "NanoCpus": int(limits.get("cpus", 0) * _NS),
        "CpuPeriod": limits.get("cpuPeriod", 0),
        "CpuQuota": limits.get("cpuQuota", 0),
        "CpuShares": limits.get("cpuShares", 0),
        "CpusetCpus": limits.get("cpusetCpus", ""),
        "CpusetMems": limits.get("cpusetMems", ""),
        "PidsLimit": limits.get("pids"),
        "BlkioWeight": block.get("weight", 0),
        "BlkioWeightDevice": _list_devices(block, "weight", "Weight"),
        "BlkioDeviceReadBps": _list_devices(block, "readBps", "Rate"),
        "BlkioDeviceWriteBps": _list_devices(block, "writeBps", "Rate"),
        "BlkioDeviceReadIOps": _list_devices(block, "readIops", "Rate"),
        "BlkioDeviceWriteIOps": _list_devices(block, "writeIops", "Rate"),
        "Ulimits": [
            {"Name": name, "Hard": limit.get("hard", 0), "Soft": limit.get("soft", 0)}
            for name, limit in spec.get("ulimits", {}).items()
        ],
    }


def _list_devices(block: Document, field: str, name: str) -> list[dict[str, Any]]:
    devices = block.get("devices", {}).items()
    return [{"Path": path, name: limits[field]} for path, limits in devices if field in limits]


def view_healthcheck(check: Document) -> dict[str, Any]:
    """Return Config.Healthcheck; times are nanoseconds."""
    times = {
        "Interval": "interval",
        "Timeout": "timeout",
        "StartPeriod": "startPeriod",
        "StartInterval": "startInterval",
    }
    return {
        "Test": check.get("test", []),
        **{name: int(check.get(field, 0) * _NS) for name, field in times.items()},
        "Retries": check.get("retries", 0),
    }


def view_health(health: Document) -> dict[str, Any]:
    """Return State.Health."""
    return {
        "Status": health.get("state", ""),
        "FailingStreak": health.get("failingStreak", 0),
        "Log": [
            {
                "Start": result.get("startedAt", ""),
                "End": result.get("finishedAt", ""),
                "ExitCode": result.get("exitCode", 0),
                "Output": result.get("output", ""),
            }
            for result in health.get("log", [])
        ],
    }
