"""Cgroup limits: `CgroupLimits(cgroups=Cgroups.find(instance))`."""

import asyncio
from pathlib import Path

from controller.errors import NotFound
from controller.kernel.cgroups import Cgroups, read_text
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.limits import LimitFacts, LimitsWant

_PERIOD_US = 100_000
_MIN_QUOTA_US = 1000
_V1_UNLIMITED_BYTES = 1 << 62
"""Version 1 has no word for no limit: it reads as the largest number of pages."""

LIMIT_FILES_V1 = {"memory": "memory.limit_in_bytes", "cpu": "cpu.cfs_quota_us", "pids": "pids.max"}
LIMIT_FILES_V2 = {"memory": "memory.max", "cpu": "cpu.max", "pids": "pids.max"}


class CgroupLimits:
    """Implements `controller.ports.Limits`."""

    def __init__(self, *, cgroups: Cgroups) -> None:
        self._cgroups = cgroups

    async def read(self, uid: Uid) -> LimitFacts | None:
        """Return the limits in force; None when the container has no cgroup."""
        with translated(f"limits of {uid}"):
            if not self._cgroups.directories(uid):
                return None
            v2 = self._cgroups.unified_path is not None
            return LimitFacts(
                memory_bytes=_parse_limit(self._read(uid, "memory")),
                cpus=_parse_cpu_max(self._read(uid, "cpu")) if v2 else self._read_v1_cpus(uid),
                pids=_parse_limit(self._read(uid, "pids")),
            )

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        """Set the limits; Refused when the kernel can't, NotFound when the container has no cgroup."""
        if not self._cgroups.directories(uid):
            raise NotFound(f"container {uid} has no cgroup")
        with translated(f"limits of {uid}"):
            await asyncio.to_thread(self._apply, uid, want)

    def _read(self, uid: Uid, controller: str) -> str:
        path = self._cgroups.directory(uid, controller)
        return read_text(path / self._file_name(controller)) if path is not None else ""

    def _file_name(self, controller: str) -> str:
        files = LIMIT_FILES_V1 if self._cgroups.unified_path is None else LIMIT_FILES_V2
        return files[controller]

    def _read_v1_cpus(self, uid: Uid) -> float | None:
        path = self._cgroups.directory(uid, "cpu")
        quota = int(self._read(uid, "cpu") or -1)
        if path is None or quota <= 0:
            return None
        return quota / int(read_text(path / "cpu.cfs_period_us") or _PERIOD_US)

    def _apply(self, uid: Uid, want: LimitsWant) -> None:
        if self._cgroups.unified_path is None:
            self._apply_v1_memory(uid, want.memory_bytes)
            self._write(uid, "cpu", "cpu.cfs_period_us", str(_PERIOD_US))
            self._write(uid, "cpu", "cpu.cfs_quota_us", str(_derive_quota(want.cpus) or -1))
        else:
            maximum = "max" if want.memory_bytes is None else str(want.memory_bytes)
            self._write(uid, "memory", "memory.max", maximum)
            self._write(uid, "memory", "memory.swap.max", maximum)
            self._write(uid, "cpu", "cpu.max", f"{_derive_quota(want.cpus) or 'max'} {_PERIOD_US}")
        self._write(uid, "pids", "pids.max", "max" if want.pids is None else str(want.pids))

    def _apply_v1_memory(self, uid: Uid, memory_bytes: int | None) -> None:
        """Memory with swap may never be less than memory: raise the one first, or lower the other first."""
        path = self._cgroups.directory(uid, "memory")
        if path is None:
            return
        memory = -1 if memory_bytes is None else memory_bytes
        swap = -1 if memory_bytes is None else 2 * memory_bytes
        writes = [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", swap)]
        now = int(read_text(path / "memory.memsw.limit_in_bytes") or 0)
        if memory < 0 or memory > now:
            writes.reverse()
        for name, value in writes:
            self._write(uid, "memory", name, str(value))

    def _write(self, uid: Uid, controller: str, name: str, value: str) -> None:
        path = self._cgroups.directory(uid, controller)
        if path is not None and Path(path / name).exists():
            (path / name).write_text(value)


def _derive_quota(cpus: float | None) -> int | None:
    return None if cpus is None else max(_MIN_QUOTA_US, round(cpus * _PERIOD_US))


def _parse_limit(text: str) -> int | None:
    if text in ("", "max"):
        return None
    return None if int(text) >= _V1_UNLIMITED_BYTES else int(text)


def _parse_cpu_max(text: str) -> float | None:
    quota, _, period = text.partition(" ")
    return None if quota in ("", "max") else int(quota) / int(period)
