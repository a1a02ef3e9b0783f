"""Limits in force, read from the files of a container's cgroups and of their parents; version 1 and version 2."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.kernel.cgroups.cgroups import Cgroups, read_text
from controller.model.ids import Uid
from controller.model.limits import DeviceLimits, HostLimits, LimitFacts, LimitValues
from controller.model.resources import DEFAULT_CPU_PERIOD_US
from controller.plan.cgroup_files import (
    BFQ_WEIGHT_V1,
    BFQ_WEIGHT_V2,
    DEFAULT_SHARES,
    DEFAULT_WEIGHT_V2,
    THROTTLES_V1,
    THROTTLES_V2,
    WEIGHT_V1,
    WEIGHT_V2,
    restore_weight,
)

_V1_UNLIMITED_BYTES = 1 << 62
"""Version 1 has no word for no limit: it reads as the largest number of pages."""

FILES_V1 = {
    "memory_bytes": ("memory", "memory.limit_in_bytes"),
    "memory_swap_bytes": ("memory", "memory.memsw.limit_in_bytes"),
    "memory_reservation_bytes": ("memory", "memory.soft_limit_in_bytes"),
    "memory_swappiness": ("memory", "memory.swappiness"),
    "oom_kill_disable": ("memory", "memory.oom_control"),
    "cpus": ("cpu", "cpu.cfs_quota_us"),
    "cpu_period_us": ("cpu", "cpu.cfs_period_us"),
    "cpu_shares": ("cpu", "cpu.shares"),
    "cpuset_cpus": ("cpuset", "cpuset.cpus"),
    "cpuset_mems": ("cpuset", "cpuset.mems"),
    "pids": ("pids", "pids.max"),
    "devices": ("blkio", THROTTLES_V1["read_bps"]),
}
FILES_V2 = {
    "memory_bytes": ("memory", "memory.max"),
    "memory_swap_bytes": ("memory", "memory.swap.max"),
    "memory_reservation_bytes": ("memory", "memory.low"),
    "cpus": ("cpu", "cpu.max"),
    "cpu_shares": ("cpu", "cpu.weight"),
    "cpuset_cpus": ("cpuset", "cpuset.cpus"),
    "cpuset_mems": ("cpuset", "cpuset.mems"),
    "pids": ("pids", "pids.max"),
    "devices": ("io", "io.max"),
}
_DEFAULT_WEIGHTS = {BFQ_WEIGHT_V1: 100, WEIGHT_V1: 500, BFQ_WEIGHT_V2: 100}


def list_limit_files(cgroups: Cgroups, uid: Uid) -> tuple[Path, ...]:
    """Return the files that limits are read from; some may be missing."""
    files = FILES_V1 if cgroups.unified_path is None else FILES_V2
    found = {name: cgroups.directory(uid, controller) for controller, name in files.values()}
    paths = [path / name for name, path in found.items() if path is not None]
    blkio = cgroups.directory(uid, "blkio")
    if blkio is not None:
        weight_file = find_weight_file(blkio)
        names = [weight_file] if cgroups.unified_path is not None else [*THROTTLES_V1.values(), weight_file]
        paths += [blkio / name for name in names if name and blkio / name not in paths]
    return tuple(paths)


def find_weight_file(directory: Path) -> str:
    """Return the name of the file for the weight of block I/O, empty when the kernel has none."""
    names = (BFQ_WEIGHT_V1, WEIGHT_V1, BFQ_WEIGHT_V2, WEIGHT_V2)
    return next((name for name in names if (directory / name).exists()), "")


def read_v1(cgroups: Cgroups, uid: Uid, device_names: Mapping[str, str], host: HostLimits) -> LimitFacts:
    """Return the limits in force; `device_names` has names by MAJOR:MINOR, `host` what is known of it besides."""

    directories = {controller: cgroups.directory(uid, controller) for controller, _ in FILES_V1.values()}

    def read(name: str, *, parent: bool = False) -> str:
        controller, file_name = FILES_V1[name]
        path = directories[controller]
        return "" if path is None else read_text(f"{path.parent if parent else path}/{file_name}")

    texts = {name: read(name) for name in FILES_V1}
    absent = {name for name in FILES_V1 if not texts[name] and not _is_there(cgroups, uid, FILES_V1[name])}
    swappiness, shares = _parse(texts["memory_swappiness"]), _parse(texts["cpu_shares"])
    period, quota = _parse(texts["cpu_period_us"]) or DEFAULT_CPU_PERIOD_US, int(texts["cpus"] or -1)
    blkio = directories["blkio"]
    weight_file = find_weight_file(blkio) if blkio is not None else ""
    inherited = LimitValues(
        memory_swappiness=_parse(read("memory_swappiness", parent=True)),
        cpu_shares=DEFAULT_SHARES,
        cpuset_cpus=read("cpuset_cpus", parent=True) or None,
        cpuset_mems=read("cpuset_mems", parent=True) or None,
        block_io_weight=_DEFAULT_WEIGHTS.get(weight_file),
    )
    facts = LimitFacts(
        memory_bytes=_parse(texts["memory_bytes"]),
        memory_swap_bytes=_parse(texts["memory_swap_bytes"]),
        memory_reservation_bytes=_parse(texts["memory_reservation_bytes"]),
        memory_swappiness=swappiness,
        oom_kill_disable=texts["oom_kill_disable"].startswith("oom_kill_disable 1"),
        cpus=quota / period if quota > 0 else None,
        cpu_period_us=None if period == DEFAULT_CPU_PERIOD_US else period,
        cpu_shares=shares,
        cpuset_cpus=texts["cpuset_cpus"] or None,
        cpuset_mems=texts["cpuset_mems"] or None,
        pids=_parse(texts["pids"]),
        block_io_weight=_parse(_read_weight(blkio, weight_file)),
        devices=_read_v1_devices(blkio, weight_file, device_names),
    )
    return _without_inherited(facts, _extend(host, inherited, absent, weight_file))


def _is_there(cgroups: Cgroups, uid: Uid, file: tuple[str, str]) -> bool:
    controller, name = file
    path = cgroups.directory(uid, controller)
    return path is not None and (path / name).exists()


def _extend(host: HostLimits, inherited: LimitValues, absent: Iterable[str], weight_file: str) -> HostLimits:
    missing = frozenset(absent) | (frozenset() if weight_file else {"block_io_weight"})
    return replace(host, inherited=inherited, absent=missing)


def _without_inherited(facts: LimitFacts, host: HostLimits) -> LimitFacts:
    """Return the facts in which what a cgroup has without limits is None."""
    inherited = host.inherited
    return replace(
        facts,
        host=host,
        memory_swappiness=_unless(facts.memory_swappiness, inherited.memory_swappiness),
        cpu_shares=_unless(facts.cpu_shares, inherited.cpu_shares),
        cpuset_cpus=None if facts.cpuset_cpus == inherited.cpuset_cpus else facts.cpuset_cpus,
        cpuset_mems=None if facts.cpuset_mems == inherited.cpuset_mems else facts.cpuset_mems,
        block_io_weight=_unless(facts.block_io_weight, inherited.block_io_weight),
    )


def _unless(value: int | None, inherited: int | None) -> int | None:
    return None if value == inherited else value


def _parse(text: str) -> int | None:
    if text in ("", "max"):
        return None
    return None if int(text) >= _V1_UNLIMITED_BYTES else int(text)


def _read_weight(directory: Path | None, weight_file: str) -> str:
    """Return the default weight: the files of bfq and of version 2 print it as `default N` or alone, then devices."""
    if directory is None or not weight_file:
        return ""
    first = read_text(directory / weight_file).partition("\n")[0]
    return first.removeprefix("default ").strip()


def _read_v1_devices(
    directory: Path | None, weight_file: str, names: Mapping[str, str]
) -> tuple[DeviceLimits, ...]:
    if directory is None:
        return ()
    files = dict(THROTTLES_V1)
    if weight_file:
        files["weight"] = f"{weight_file}_device"
    found: dict[str, dict[str, int]] = {}
    for field, name in files.items():
        for line in read_text(directory / name).splitlines():
            number, _, text = line.partition(" ")
            if ":" in number and text.isdigit():
                found.setdefault(number, {})[field] = int(text)
    return _make_devices(found, names)


def _make_devices(
    found: Mapping[str, Mapping[str, int]], names: Mapping[str, str]
) -> tuple[DeviceLimits, ...]:
    devices = (DeviceLimits(device=names.get(number, number)) for number in found)
    limited: list[DeviceLimits] = []
    for device, values in zip(devices, found.values(), strict=True):
        fields: dict[str, Any] = dict(values)
        limited.append(replace(device, **fields))
    return tuple(sorted(limited, key=lambda each: each.device))


def read_v2(cgroups: Cgroups, uid: Uid, device_names: Mapping[str, str], host: HostLimits) -> LimitFacts:
    """Return the limits in force. See `read_v1`."""
    path = cgroups.directory(uid, "memory")
    if path is None:
        return LimitFacts(host=host)
    texts = {name: read_text(path / file_name) for name, (_, file_name) in FILES_V2.items()}
    absent = {name for name, (_, file_name) in FILES_V2.items() if not (path / file_name).exists()}
    absent |= {"memory_swappiness", "oom_kill_disable"}
    memory, swap = _parse(texts["memory_bytes"]), _parse(texts["memory_swap_bytes"])
    quota, _, period_text = texts["cpus"].partition(" ")
    period = _parse(period_text) or DEFAULT_CPU_PERIOD_US
    weight_file = find_weight_file(path)
    inherited = LimitValues(
        cpuset_cpus=read_text(path.parent / "cpuset.cpus.effective") or None,
        cpuset_mems=read_text(path.parent / "cpuset.mems.effective") or None,
        block_io_weight=_DEFAULT_WEIGHTS.get(weight_file),
    )
    facts = LimitFacts(
        memory_bytes=memory,
        memory_swap_bytes=None if memory is None or swap is None else memory + swap,
        memory_reservation_bytes=_parse(texts["memory_reservation_bytes"]) or None,
        cpus=None if quota in ("", "max") else int(quota) / period,
        cpu_period_us=None if period == DEFAULT_CPU_PERIOD_US else period,
        cpu_weight=_parse(texts["cpu_shares"]),
        cpuset_cpus=texts["cpuset_cpus"] or None,
        cpuset_mems=texts["cpuset_mems"] or None,
        pids=_parse(texts["pids"]),
        block_io_weight=_restore(_read_weight(path, weight_file), weight_file),
        devices=_read_v2_devices(path, weight_file, device_names),
    )
    return _without_inherited(facts, _extend(host, inherited, absent, weight_file))


def _restore(text: str, weight_file: str) -> int | None:
    weight = _parse(text)
    unset = weight is None or (weight_file == WEIGHT_V2 and weight == DEFAULT_WEIGHT_V2)
    return None if unset or weight is None else restore_weight(weight, weight_file)


def _read_v2_devices(path: Path, weight_file: str, names: Mapping[str, str]) -> tuple[DeviceLimits, ...]:
    found: dict[str, dict[str, int]] = {}
    fields = {word: field for field, word in THROTTLES_V2.items()}
    for line in read_text(path / "io.max").splitlines():
        number, *words = line.split()
        rates = dict(word.split("=", 1) for word in words)
        found[number] = {fields[word]: int(rate) for word, rate in rates.items() if rate != "max"}
    for line in (read_text(path / weight_file) if weight_file else "").splitlines():
        number, _, text = line.partition(" ")
        if ":" in number and text.isdigit():
            found.setdefault(number, {})["weight"] = restore_weight(int(text), weight_file)
    return _make_devices({number: values for number, values in found.items() if values}, names)
