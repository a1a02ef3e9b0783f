"""What containers use, from their cgroup files: `CgroupUsage(cgroups)`; of either version."""

import os
import time

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.network.traffic import Bytes
from controller.model.ids import Uid
from controller.model.names import derive_cgroup
from controller.plan.stats import UsageSample, derive_working_set

_READ_BYTES = 1 << 14
_NANOSECONDS = 1e9
_MICROSECONDS = 1e6


class CgroupUsage:
    """Reads samples; blocks shortly."""

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._host_memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def read(self, uid: Uid, traffic: Bytes) -> UsageSample:
        """Return a container's sample, with what its links told; FileNotFoundError when it has no cgroup."""
        if self._cgroups.unified_path is None:
            return self._read_v1(uid, traffic)
        return self._read_v2(uid, traffic)

    def _read_v1(self, uid: Uid, traffic: Bytes) -> UsageSample:
        cgroup, paths = derive_cgroup(self._cgroups.instance, uid), self._cgroups.v1_paths
        memory = f"{paths['memory']}{cgroup}" if "memory" in paths else ""
        cpu = f"{paths['cpuacct']}{cgroup}" if "cpuacct" in paths else ""
        limit = _number(read_small(f"{memory}/memory.limit_in_bytes")) if memory else 0
        usage = _number(read_small(f"{memory}/memory.usage_in_bytes")) if memory else 0
        inactive = find_number(read_small(f"{memory}/memory.stat"), b"total_inactive_file") if memory else 0
        read, written = self._read_v1_blocks(cgroup)
        return UsageSample(
            uid=uid,
            taken_at_s=time.monotonic(),
            cpu_s=_number(read_small(f"{cpu}/cpuacct.usage")) / _NANOSECONDS if cpu else 0.0,
            memory_bytes=derive_working_set(usage, inactive),
            memory_limit_bytes=min(limit or self._host_memory_bytes, self._host_memory_bytes),
            pids=_number(read_small(f"{paths['pids']}{cgroup}/pids.current")) if "pids" in paths else 0,
            network_received_bytes=traffic.received,
            network_sent_bytes=traffic.sent,
            block_read_bytes=read,
            block_written_bytes=written,
        )

    def _read_v1_blocks(self, cgroup: str) -> tuple[int, int]:
        base = self._cgroups.v1_paths.get("blkio")
        if base is None:
            return 0, 0
        return parse_v1_blocks(read_small(f"{base}{cgroup}/blkio.throttle.io_service_bytes_recursive"))

    def _read_v2(self, uid: Uid, traffic: Bytes) -> UsageSample:
        base = f"{self._cgroups.unified_path}{derive_cgroup(self._cgroups.instance, uid)}"
        usage = _number(read_small(f"{base}/memory.current"))
        limit = _number(read_small(f"{base}/memory.max"))
        read, written = parse_v2_blocks(read_small(f"{base}/io.stat"))
        return UsageSample(
            uid=uid,
            taken_at_s=time.monotonic(),
            cpu_s=find_number(read_small(f"{base}/cpu.stat"), b"usage_usec") / _MICROSECONDS,
            memory_bytes=derive_working_set(
                usage, find_number(read_small(f"{base}/memory.stat"), b"inactive_file")
            ),
            memory_limit_bytes=min(limit or self._host_memory_bytes, self._host_memory_bytes),
            pids=_number(read_small(f"{base}/pids.current")),
            network_received_bytes=traffic.received,
            network_sent_bytes=traffic.sent,
            block_read_bytes=read,
            block_written_bytes=written,
        )


def parse_v1_blocks(text: bytes) -> tuple[int, int]:
    """Return bytes read and written, from lines such as `8:0 Read 4096`."""
    totals = {b"Read": 0, b"Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in totals:
            totals[words[1]] += int(words[2])
    return totals[b"Read"], totals[b"Write"]


def parse_v2_blocks(text: bytes) -> tuple[int, int]:
    """Return bytes read and written, from lines such as `8:0 rbytes=4096 wbytes=0 rios=1`."""
    totals = {b"rbytes": 0, b"wbytes": 0}
    for word in text.split():
        name, _, number = word.partition(b"=")
        if name in totals:
            totals[name] += int(number)
    return totals[b"rbytes"], totals[b"wbytes"]


def read_small(path: str, *, whole: bool = False) -> bytes:
    """Return a small kernel file; these are read several times a second, hence by plain calls."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _READ_BYTES)
        while whole and (more := os.read(fd, _READ_BYTES)):
            data += more
        return data
    finally:
        os.close(fd)


def _number(text: bytes) -> int:
    """Return a number; 0 for `max`."""
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() else 0


def find_number(text: bytes, name: bytes) -> int:
    """Return the number in the line of that name, such as `inactive_file 4096`; 0 without one.

    These texts are long, and read of every container once a second: only the one line is looked at.
    """
    start = 0 if text.startswith(name + b" ") else text.find(b"\n" + name + b" ") + 1
    if start == 0 and not text.startswith(name + b" "):
        return 0
    return _number(text[start + len(name) + 1 : text.find(b"\n", start)])
