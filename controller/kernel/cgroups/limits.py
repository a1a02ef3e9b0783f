"""Cgroup limits: `CgroupLimits(cgroups=Cgroups.find(instance))`."""

import asyncio
import contextlib
import os
import stat
from pathlib import Path

from controller.errors import NotFound, Refused, Unsupported
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.cpusets import refuse_missing
from controller.kernel.cgroups.limit_files import find_weight_file, read_v1, read_v2
from controller.kernel.cgroups.ulimits import read_highest_ulimits
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.limits import HostLimits, LimitFacts, LimitsWant
from controller.plan.cgroup_files import CgroupWrite, render_v1, render_v2
from controller.plan.limits import list_device_paths


class CgroupLimits:
    """Implements `controller.ports.Limits`."""

    def __init__(self, *, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._host = HostLimits(
            ulimits=tuple(sorted(read_highest_ulimits().items())),
            least_oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
        )

    async def read(self, uid: Uid, *, devices: tuple[str, ...] = ()) -> LimitFacts | None:
        """Return the limits in force, with `devices` named by these paths; None when the container has no cgroup."""
        with translated(f"limits of {uid}"):
            return self._read(uid, _name_devices(devices))

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        """Set the limits; Refused when the kernel can't, NotFound when the container has no cgroup."""
        with translated(f"limits of {uid}"):
            await asyncio.to_thread(self._apply, uid, want)

    def _read(self, uid: Uid, device_names: dict[str, str]) -> LimitFacts | None:
        if not self._cgroups.directories(uid):
            return None
        read = read_v1 if self._cgroups.unified_path is None else read_v2
        return read(self._cgroups, uid, device_names, self._host)

    def _apply(self, uid: Uid, want: LimitsWant) -> None:
        refuse_missing(cpus=want.cpuset_cpus, mems=want.cpuset_mems)
        numbers = {path: find_device_number(path) for path in list_device_paths(want)}
        facts = self._read(uid, {number: path for path, number in numbers.items()})
        if facts is None:
            raise NotFound(f"container {uid} has no cgroup")
        numbers |= {each.device: each.device for each in facts.devices if each.device not in numbers}
        io_path = self._cgroups.directory(uid, "blkio")
        weight_file = find_weight_file(io_path) if io_path is not None else ""
        render = render_v1 if self._cgroups.unified_path is None else render_v2
        for write in render(want, facts, numbers, weight_file):
            self._write(uid, write)

    def _write(self, uid: Uid, write: CgroupWrite) -> None:
        path = self._cgroups.directory(uid, write.controller)
        if path is None or not (path / write.name).exists():
            return
        try:
            (path / write.name).write_text(write.value)
        except OSError as exc:
            raise _explain(exc, write) from exc


def _name_devices(paths: tuple[str, ...]) -> dict[str, str]:
    """Return paths by MAJOR:MINOR, without those that are no block devices."""
    names = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError, Refused):
            names[_find_number(path)] = path
    return names


def find_device_number(path: str) -> str:
    """Return MAJOR:MINOR of a block device; NotFound when there is none, Refused when it is no block device."""
    try:
        return _find_number(path)
    except FileNotFoundError as exc:
        raise NotFound(f"block device {path} is not there: lsblk lists those that are") from exc


def _find_number(path: str) -> str:
    status = os.stat(path)  # noqa: PTH116 - the number of the device, not a property of the path
    if not stat.S_ISBLK(status.st_mode):
        raise Refused(f"{path} is not a block device")
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _explain(exc: OSError, write: CgroupWrite) -> Refused | Unsupported:
    """Say which limit the kernel does not take, with what is most likely the reason."""
    reasons = {
        "memory": "it is less than what the container uses and can't be reclaimed, or than its swap",
        "cpuset": "the parent cgroup has not all of them",
        "blkio": "only whole disks can be limited",
        "io": "only whole disks can be limited",
    }
    reason = reasons.get(write.controller, "")
    words = f"{write.name} can't be set to {write.value}: {(exc.strerror or '').lower()}"
    return Refused(f"{words} ({reason})" if reason else words)
