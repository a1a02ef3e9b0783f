"""Limits as what is written to files of cgroups, version 1 and version 2."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.model.limits import DeviceLimits, LimitFacts, LimitsWant, LimitValues
from controller.model.resources import DEFAULT_CPU_PERIOD_US
from controller.plan.limits import derive_cpu_weight, find_differences, fit_limits

LEAST_QUOTA_US = 1000
DEFAULT_SHARES = 1024
DEFAULT_WEIGHT_V2 = 100
BFQ_WEIGHT_V1, WEIGHT_V1 = "blkio.bfq.weight", "blkio.weight"
BFQ_WEIGHT_V2, WEIGHT_V2 = "io.bfq.weight", "io.weight"
THROTTLES_V1 = {
    "read_bps": "blkio.throttle.read_bps_device",
    "write_bps": "blkio.throttle.write_bps_device",
    "read_iops": "blkio.throttle.read_iops_device",
    "write_iops": "blkio.throttle.write_iops_device",
}
THROTTLES_V2 = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupWrite:
    """A text for a file of a container's cgroup; `controller` names the tree on version 1."""

    controller: str
    name: str
    value: str


def derive_quota_us(want: LimitsWant) -> int | None:
    """Return microseconds of processor time in each period, None without a limit."""
    period = want.cpu_period_us or DEFAULT_CPU_PERIOD_US
    return None if want.cpus is None else max(LEAST_QUOTA_US, round(want.cpus * period))


def render_v1(
    want: LimitsWant, facts: LimitFacts, numbers: Mapping[str, str], weight_file: str
) -> tuple[CgroupWrite, ...]:
    """Return what brings the limits in force to those wanted, in an order that the kernel takes.

    `numbers` has MAJOR:MINOR of every device by the name that `want` or `facts` give it; `weight_file` is the name of
    the file for the weight of block I/O.
    """
    differs, fitted = find_differences(want, facts), fit_limits(want, facts.host)
    return (
        *_render_v1_memory(fitted, facts, differs),
        *_render_v1_processors(fitted, facts.host.inherited, differs),
        *_render_v1_block_io(fitted, facts, numbers, weight_file),
    )


def _write(controller: str, name: str, value: object) -> CgroupWrite:
    return CgroupWrite(controller=controller, name=name, value=str(value))


def _render_v1_memory(want: LimitsWant, facts: LimitFacts, differs: frozenset[str]) -> Iterator[CgroupWrite]:
    """Memory with swap may never be less than memory: raise the one first, or lower the other first."""
    limits = {
        "memory_bytes": ("memory.limit_in_bytes", want.memory_bytes),
        "memory_swap_bytes": ("memory.memsw.limit_in_bytes", want.memory_swap_bytes),
    }
    order = list(limits)
    bound = facts.memory_swap_bytes
    if bound is not None and (want.memory_bytes is None or want.memory_bytes > bound):
        order.reverse()
    for field in order:
        name, value = limits[field]
        if field in differs:
            yield _write("memory", name, -1 if value is None else value)
    if "memory_reservation_bytes" in differs:
        reservation = want.memory_reservation_bytes
        yield _write("memory", "memory.soft_limit_in_bytes", -1 if reservation is None else reservation)
    if "memory_swappiness" in differs:
        swappiness, inherited = want.memory_swappiness, facts.host.inherited.memory_swappiness
        yield _write("memory", "memory.swappiness", inherited if swappiness is None else swappiness)
    if "oom_kill_disable" in differs:
        yield _write("memory", "memory.oom_control", int(want.oom_kill_disable))


def _render_v1_processors(
    want: LimitsWant, inherited: LimitValues, differs: frozenset[str]
) -> Iterator[CgroupWrite]:
    if differs & {"cpus", "cpu_period_us"}:
        yield _write("cpu", "cpu.cfs_period_us", want.cpu_period_us or DEFAULT_CPU_PERIOD_US)
        yield _write("cpu", "cpu.cfs_quota_us", derive_quota_us(want) or -1)
    if "cpu_shares" in differs:
        yield _write("cpu", "cpu.shares", want.cpu_shares or DEFAULT_SHARES)
    if "cpuset_cpus" in differs:
        yield _write("cpuset", "cpuset.cpus", want.cpuset_cpus or inherited.cpuset_cpus)
    if "cpuset_mems" in differs:
        yield _write("cpuset", "cpuset.mems", want.cpuset_mems or inherited.cpuset_mems)
    if "pids" in differs:
        yield _write("pids", "pids.max", want.pids or "max")


def _render_v1_block_io(
    want: LimitsWant, facts: LimitFacts, numbers: Mapping[str, str], weight_file: str
) -> Iterator[CgroupWrite]:
    differs = find_differences(want, facts)
    if "block_io_weight" in differs:
        weight = want.block_io_weight or facts.host.inherited.block_io_weight
        yield _write("blkio", weight_file, weight)
    if "devices" in differs:
        for name, before, after in _pair_devices(want, facts):
            yield from _render_v1_device(numbers[name], before, after, weight_file)


def _pair_devices(
    want: LimitsWant, facts: LimitFacts
) -> Iterator[tuple[str, DeviceLimits | None, DeviceLimits]]:
    """Yield each device with the limits in force and those wanted: what is to be lifted before what is to be set."""
    before = {device.device: device for device in facts.devices}
    after = {device.device: device for device in want.devices}
    for name in [*(before.keys() - after.keys()), *after]:
        wanted = after.get(name, DeviceLimits(device=name))
        if before.get(name) != wanted:
            yield name, before.get(name), wanted


def _render_v1_device(
    number: str, before: DeviceLimits | None, after: DeviceLimits, weight_file: str
) -> Iterator[CgroupWrite]:
    for field, name in THROTTLES_V1.items():
        old, new = getattr(before, field, None), getattr(after, field)
        if old != new:
            yield _write("blkio", name, f"{number} {new or 0}")
    if (before.weight if before is not None else None) != after.weight:
        none = "default" if weight_file == BFQ_WEIGHT_V1 else 0
        yield _write("blkio", f"{weight_file}_device", f"{number} {after.weight or none}")


def render_v2(
    want: LimitsWant, facts: LimitFacts, numbers: Mapping[str, str], weight_file: str
) -> tuple[CgroupWrite, ...]:
    """Return what brings the limits in force to those wanted. See `render_v1`."""
    differs, fitted = find_differences(want, facts), fit_limits(want, facts.host)
    return (
        *_render_v2_memory(fitted, differs),
        *_render_v2_processors(fitted, facts.host.inherited, differs),
        *_render_v2_block_io(fitted, facts, numbers, weight_file),
    )


def _render_v2_memory(want: LimitsWant, differs: frozenset[str]) -> Iterator[CgroupWrite]:
    """Version 2 limits swap alone, not memory and swap together."""
    if differs & {"memory_bytes", "memory_swap_bytes"}:
        memory, total = want.memory_bytes, want.memory_swap_bytes
        yield _write("memory", "memory.max", "max" if memory is None else memory)
        swap = "max" if memory is None or total is None else total - memory
        yield _write("memory", "memory.swap.max", swap)
    if "memory_reservation_bytes" in differs:
        yield _write("memory", "memory.low", want.memory_reservation_bytes or 0)


def _render_v2_processors(
    want: LimitsWant, inherited: LimitValues, differs: frozenset[str]
) -> Iterator[CgroupWrite]:
    """Lists are never made empty again: kernels refuse that while there are processes."""
    if differs & {"cpus", "cpu_period_us"}:
        period = want.cpu_period_us or DEFAULT_CPU_PERIOD_US
        yield _write("cpu", "cpu.max", f"{derive_quota_us(want) or 'max'} {period}")
    if "cpu_shares" in differs:
        yield _write("cpu", "cpu.weight", derive_cpu_weight(want.cpu_shares))
    if "cpuset_cpus" in differs:
        yield _write("cpuset", "cpuset.cpus", want.cpuset_cpus or inherited.cpuset_cpus)
    if "cpuset_mems" in differs:
        yield _write("cpuset", "cpuset.mems", want.cpuset_mems or inherited.cpuset_mems)
    if "pids" in differs:
        yield _write("pids", "pids.max", want.pids or "max")


def _render_v2_block_io(
    want: LimitsWant, facts: LimitFacts, numbers: Mapping[str, str], weight_file: str
) -> Iterator[CgroupWrite]:
    differs = find_differences(want, facts)
    if "block_io_weight" in differs:
        weight = DEFAULT_WEIGHT_V2
        if want.block_io_weight is not None:
            weight = _convert_weight(want.block_io_weight, weight_file)
        yield _write("io", weight_file, f"default {weight}")
    if "devices" in differs:
        for name, before, after in _pair_devices(want, facts):
            yield from _render_v2_device(numbers[name], before, after, weight_file)


def _render_v2_device(
    number: str, before: DeviceLimits | None, after: DeviceLimits, weight_file: str
) -> Iterator[CgroupWrite]:
    rates = [(getattr(before, field, None), getattr(after, field)) for field in THROTTLES_V2]
    if any(old != new for old, new in rates):
        words = (
            f"{word}={new or 'max'}" for word, (_, new) in zip(THROTTLES_V2.values(), rates, strict=True)
        )
        yield _write("io", "io.max", f"{number} {' '.join(words)}")
    if (before.weight if before is not None else None) != after.weight:
        weight = "default" if after.weight is None else _convert_weight(after.weight, weight_file)
        yield _write("io", weight_file, f"{number} {weight}")


def _convert_weight(weight: int, weight_file: str) -> int:
    """Return a weight of Docker's (10 to 1000) on the scale of the file: io.weight has 1 to 10000, bfq's takes it as is."""
    return 1 + (weight - 10) * 9999 // 990 if weight_file == WEIGHT_V2 else weight


def restore_weight(weight: int, weight_file: str) -> int:
    """Return the weight that `render_v2` writes as `weight`."""
    return 10 + -((1 - weight) * 990 // 9999) if weight_file == WEIGHT_V2 else weight
