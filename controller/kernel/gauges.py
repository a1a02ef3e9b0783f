"""What containers use, from cgroup files and link counters: `KernelGauges(cgroups=..., runner=Runner())`."""

import asyncio
import os
import time
from collections.abc import Collection, Sequence

from controller.errors import Conflict, Invalid
from controller.kernel.cgroups import Cgroups
from controller.kernel.subprocesses import Runner
from controller.kernel.traffic import Bytes, Traffic
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.names import derive_cgroup
from controller.plan.stats import UsageSample, derive_working_set
from controller.ports.gauges import ProcessTable

_READ_BYTES = 1 << 14
_NANOSECONDS = 1e9
_MICROSECONDS = 1e6
_NO_TRAFFIC = Bytes(0, 0)


class KernelGauges:
    """Implements `controller.ports.gauges.Gauges`."""

    def __init__(self, *, cgroups: Cgroups, runner: Runner) -> None:
        self._cgroups = cgroups
        self._runner = runner
        self._traffic = Traffic(cgroups.instance)
        self._host_memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self._sampling = asyncio.Lock()

    async def sample(self, uids: Collection[Uid]) -> tuple[UsageSample, ...]:
        """See Gauges."""
        with translated("what containers use"):
            async with self._sampling:
                return await asyncio.to_thread(self._sample, tuple(uids))

    def _sample(self, uids: tuple[Uid, ...]) -> tuple[UsageSample, ...]:
        traffic = self._traffic.read()
        read = self._read_v1 if self._cgroups.unified_path is None else self._read_v2
        samples = []
        for uid in uids:
            try:
                samples.append(read(uid, traffic.get(uid, _NO_TRAFFIC)))
            except (FileNotFoundError, ProcessLookupError):
                continue  # its process has ended
        return tuple(samples)

    def _read_v1(self, uid: Uid, traffic: Bytes) -> UsageSample:
        cgroup, paths = derive_cgroup(self._cgroups.instance, uid), self._cgroups.v1_paths
        memory = f"{paths['memory']}{cgroup}" if "memory" in paths else ""
        cpu = f"{paths['cpuacct']}{cgroup}" if "cpuacct" in paths else ""
        limit = _number(_read(f"{memory}/memory.limit_in_bytes")) if memory else 0
        usage = _number(_read(f"{memory}/memory.usage_in_bytes")) if memory else 0
        inactive = find_number(_read(f"{memory}/memory.stat"), b"total_inactive_file") if memory else 0
        read, written = self._read_v1_blocks(cgroup)
        return UsageSample(
            uid=uid,
            taken_at_s=time.monotonic(),
            cpu_s=_number(_read(f"{cpu}/cpuacct.usage")) / _NANOSECONDS if cpu else 0.0,
            memory_bytes=derive_working_set(usage, inactive),
            memory_limit_bytes=min(limit or self._host_memory_bytes, self._host_memory_bytes),
            pids=_number(_read(f"{paths['pids']}{cgroup}/pids.current")) if "pids" in paths else 0,
            network_received_bytes=traffic.received,
            network_sent_bytes=traffic.sent,
            block_read_bytes=read,
            block_written_bytes=written,
        )

    def _read_v1_blocks(self, cgroup: str) -> tuple[int, int]:
        base = self._cgroups.v1_paths.get("blkio")
        if base is None:
            return 0, 0
        return parse_v1_blocks(_read(f"{base}{cgroup}/blkio.throttle.io_service_bytes_recursive"))

    def _read_v2(self, uid: Uid, traffic: Bytes) -> UsageSample:
        base = f"{self._cgroups.unified_path}{derive_cgroup(self._cgroups.instance, uid)}"
        usage = _number(_read(f"{base}/memory.current"))
        limit = _number(_read(f"{base}/memory.max"))
        read, written = parse_v2_blocks(_read(f"{base}/io.stat"))
        return UsageSample(
            uid=uid,
            taken_at_s=time.monotonic(),
            cpu_s=find_number(_read(f"{base}/cpu.stat"), b"usage_usec") / _MICROSECONDS,
            memory_bytes=derive_working_set(
                usage, find_number(_read(f"{base}/memory.stat"), b"inactive_file")
            ),
            memory_limit_bytes=min(limit or self._host_memory_bytes, self._host_memory_bytes),
            pids=_number(_read(f"{base}/pids.current")),
            network_received_bytes=traffic.received,
            network_sent_bytes=traffic.sent,
            block_read_bytes=read,
            block_written_bytes=written,
        )

    async def list_processes(self, uid: Uid, arguments: Sequence[str]) -> ProcessTable:
        """See Gauges."""
        pids = {pid for path in self._cgroups.directories(uid) for pid in _list_pids(str(path))}
        if not pids:
            raise Conflict("the container does not run")
        completed = await self._runner.capture("ps", *(arguments or ("-ef",)))
        if completed.code != 0 and not completed.stdout:
            told = completed.stderr.strip().splitlines()[:1] or ["it failed"]
            raise Invalid(f"ps {' '.join(arguments)}: {told[0]}")
        return select_processes(completed.stdout, pids)


def select_processes(output: str, pids: Collection[str]) -> ProcessTable:
    """Return the rows of ps' output that are about some processes; Invalid when it has no column PID."""
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise Invalid("ps prints no PID with these options: add the column pid")
    place = titles.index("PID")
    rows = (tuple(line.split(None, len(titles) - 1)) for line in lines[1:])
    return ProcessTable(
        titles=tuple(titles), rows=tuple(row for row in rows if len(row) > place and row[place] in pids)
    )


def _list_pids(path: str) -> list[str]:
    """Return the processes in a cgroup and in those below it."""
    return [pid for folder, _, _ in os.walk(path) for pid in _read_pids(folder)]


def _read_pids(folder: str) -> list[str]:
    try:
        return _read(f"{folder}/cgroup.procs", whole=True).decode().split()
    except OSError:
        return []


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


def _read(path: str, *, whole: bool = False) -> bytes:
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
