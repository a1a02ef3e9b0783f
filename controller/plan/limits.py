"""Limits of a container: which are wanted, which differ from those in force, which the host can't enforce."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from controller.model.container import ContainerSpec
from controller.model.limits import DeviceLimits, HostLimits, LimitFacts, LimitsWant, LimitValues
from controller.model.resources import (
    DEFAULT_CPU_PERIOD_US,
    UNLIMITED,
    DeviceIO,
    Resources,
    Ulimit,
    UlimitName,
)

_PAGE_BYTES = 4096
_CPUS_TOLERANCE = 1e-3
_SIZES = frozenset({"memory_bytes", "memory_swap_bytes", "memory_reservation_bytes"})
_FIELDS = tuple(field.name for field in fields(LimitValues))
_LIMIT_NAMES = {
    "memory_bytes": "memory", "memory_swap_bytes": "memorySwap", "memory_reservation_bytes": "memoryReservation",
    "memory_swappiness": "memorySwappiness", "oom_kill_disable": "oomKillDisable", "cpus": "cpus",
    "cpu_period_us": "cpuPeriod", "cpu_shares": "cpuShares", "cpuset_cpus": "cpusetCpus",
    "cpuset_mems": "cpusetMems", "pids": "pids", "block_io_weight": "blockIO.weight", "devices": "blockIO.devices",
}  # fmt: skip


def derive_limits(resources: Resources) -> LimitsWant:
    """Return the limits that a spec asks for. Without memorySwap there may be as much swap as memory, as with Docker."""
    memory, swap = resources.memory_bytes, resources.memory_swap_bytes
    if swap == UNLIMITED:
        swap = None
    elif swap is None and memory is not None:
        swap = 2 * memory
    period = resources.cpu_period_us or DEFAULT_CPU_PERIOD_US
    cpus = resources.cpus
    if resources.cpu_quota_us is not None:
        cpus = resources.cpu_quota_us / period
    devices = [_derive_device(path, device) for path, device in sorted(resources.block_io.devices.items())]
    return LimitsWant(
        memory_bytes=memory,
        memory_swap_bytes=swap,
        memory_reservation_bytes=resources.memory_reservation_bytes,
        memory_swappiness=resources.memory_swappiness,
        oom_kill_disable=resources.oom_kill_disable,
        cpus=cpus,
        cpu_period_us=None if period == DEFAULT_CPU_PERIOD_US else period,
        cpu_shares=resources.cpu_shares,
        cpuset_cpus=normalise_list(resources.cpuset_cpus),
        cpuset_mems=normalise_list(resources.cpuset_mems),
        pids=resources.pids,
        block_io_weight=resources.block_io.weight,
        devices=tuple(device for device in devices if device != DeviceLimits(device=device.device)),
    )


def _derive_device(path: str, device: DeviceIO) -> DeviceLimits:
    return DeviceLimits(
        device=path,
        weight=device.weight,
        read_bps=device.read_bps,
        write_bps=device.write_bps,
        read_iops=device.read_iops,
        write_iops=device.write_iops,
    )


def expand_list(text: str) -> set[int]:
    """Return the numbers of a list such as 0-2,7; none for an empty text."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def normalise_list(text: str | None) -> str | None:
    """Return a list of processors or nodes as the kernel prints it: ascending, neighbours joined (0,1,3 is 0-1,3)."""
    if text is None:
        return None
    ranges: list[list[int]] = []
    for number in sorted(expand_list(text)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in ranges)


def foresee_limits(want: LimitsWant, facts: LimitFacts | None) -> LimitFacts:
    """Return what is in force once the limits are set."""
    host = facts.host if facts is not None else HostLimits()
    weight = None if facts is None or facts.cpu_weight is None else derive_cpu_weight(want.cpu_shares)
    fitted = fit_limits(want, host)
    values = {name: getattr(fitted, name) for name in _FIELDS}
    return LimitFacts(**values, cpu_weight=weight, host=host)


def list_device_paths(want: LimitsWant) -> tuple[str, ...]:
    """Return the block devices that the limits name."""
    return tuple(device.device for device in want.devices)


def find_differences(want: LimitsWant, facts: LimitFacts) -> frozenset[str]:
    """Return the fields in which the limits in force are not those wanted.

    What the kernel rounds counts as equal, and what this host can't limit is left out.
    """
    fitted = fit_limits(want, facts.host)
    return frozenset(name for name in _FIELDS if not _is_same(name, fitted, facts))


def fit_limits(want: LimitsWant, host: HostLimits) -> LimitsWant:
    """Return the limits without those that the host has no means for."""
    absent: dict[str, Any] = {name: None for name in host.absent if name != "oom_kill_disable"}
    if "oom_kill_disable" in host.absent:
        absent["oom_kill_disable"] = False
    if "devices" in host.absent:
        absent["devices"] = ()
    elif "block_io_weight" in host.absent:
        bare = (replace(device, weight=None) for device in want.devices)
        absent["devices"] = tuple(each for each in bare if each != DeviceLimits(device=each.device))
    return replace(want, **absent)


def _is_same(name: str, want: LimitsWant, facts: LimitFacts) -> bool:
    inherited = getattr(facts.host.inherited, name)
    wanted, found = getattr(want, name), getattr(facts, name)
    if name == "cpu_shares" and facts.cpu_weight is not None:
        return derive_cpu_weight(want.cpu_shares) == facts.cpu_weight
    wanted = inherited if wanted is None else wanted
    found = inherited if found is None else found
    if wanted is None or found is None or name not in _SIZES | {"cpus"}:
        return bool(wanted == found)
    if name in _SIZES:
        return bool(wanted // _PAGE_BYTES == found // _PAGE_BYTES)
    return bool(abs(wanted - found) < _CPUS_TOLERANCE)


def derive_cpu_weight(shares: int | None) -> int:
    """Return the weight of cgroup v2 (1 to 10000) for shares of v1 (2 to 262144), as OCI runtimes convert them."""
    return 100 if shares is None else 1 + (shares - 2) * 9999 // 262142


def describe_limits(want: LimitsWant) -> str:
    """Return the limits that are set, in one line."""
    texts = []
    for name in _FIELDS:
        value = getattr(want, name)
        if name == "devices":
            texts += [f"block I/O of {device.device}" for device in want.devices]
        elif value not in (None, False):
            texts.append(f"{_LIMIT_NAMES[name]} {value}" if value is not True else _LIMIT_NAMES[name])
    return ", ".join(texts) or "none"


def list_shortfalls(spec: ContainerSpec, host: HostLimits) -> list[str]:
    """Return, a sentence each, which limits the host can't enforce and which are cut to what the daemon may give."""
    found = [*_list_absent(derive_limits(spec.resources), host), *_list_cut_ulimits(spec.ulimits, host)]
    score, least = spec.oom_score_adj, host.least_oom_score_adj
    if score is not None and score < least:
        found.append(f"oomScoreAdj {score} is raised to {least}, the least that the daemon may give")
    return found


def _list_absent(want: LimitsWant, host: HostLimits) -> Iterator[str]:
    for name in _FIELDS:
        # Swap that nobody asked to limit is no loss: the kernel counts none then.
        derived = name == "memory_swap_bytes" and want.memory_swap_bytes == 2 * (want.memory_bytes or 0)
        if name in host.absent and getattr(want, name) not in (None, False, ()) and not derived:
            yield f"{_LIMIT_NAMES[name]} can't be limited by this host's kernel"


def _list_cut_ulimits(ulimits: Mapping[UlimitName, Ulimit], host: HostLimits) -> Iterator[str]:
    highest = dict(host.ulimits)
    for name, ulimit in sorted(ulimits.items()):
        most = highest.get(name)
        if most is not None and (ulimit.hard == UNLIMITED or ulimit.hard > most):
            wanted = "unlimited" if ulimit.hard == UNLIMITED else ulimit.hard
            yield f"ulimit {name} {wanted} is cut to {most}, the most that the daemon may give"
