"""Flags for limits and the restart policy, which `run` and `update` have in common."""

import argparse
from collections.abc import Callable

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.model.quantities import parse_size_bytes
from controller.model.short_forms import parse_restart, parse_ulimit

_EXIT_DAEMON = 125
_DEVICE_FLAGS = {
    "blkio_weight_device": "weight",
    "device_read_bps": "read_bps",
    "device_write_bps": "write_bps",
    "device_read_iops": "read_iops",
    "device_write_iops": "write_iops",
}


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for limits that change in place, which `run` has too."""
    add = parser.add_argument
    add("-m", "--memory", default="", help="Most memory, such as 64m.")
    add("--memory-swap", default="", help="Most memory and swap together; -1 is any amount of swap.")
    add("--memory-reservation", default="", help="Memory that is left to it when the host runs short.")
    add("--memory-swappiness", type=int, default=None, help="How readily the kernel swaps, 0 to 100.")
    add(
        "--oom-kill-disable", action="store_true", help="Let processes wait when memory runs out (cgroup v1)."
    )
    add("--cpus", type=float, default=0.0, help="Most processors' worth of time.")
    add("--cpu-period", type=int, default=0, help="Microseconds over which processor time is counted.")
    add(
        "--cpu-quota", type=int, default=0, help="Most microseconds of processor time in a period; -1 is any."
    )
    add("-c", "--cpu-shares", type=int, default=0, help="Share of processor time; 1024 is the usual one.")
    add("--cpuset-cpus", default="", metavar="LIST", help="Processors to run on, such as 0-2,7.")
    add("--cpuset-mems", default="", metavar="LIST", help="Memory nodes to use, such as 0,1.")
    add("--pids-limit", type=int, default=0, help="Most processes; -1 is without a limit.")
    add(
        "--blkio-weight",
        type=int,
        default=None,
        help="Share of block devices, 10 to 1000; 0 is the usual one.",
    )
    for flag, text in (
        ("--blkio-weight-device", "Share of one block device."),
        ("--device-read-bps", "Most bytes read from a device in a second, such as /dev/vda:1mb."),
        ("--device-write-bps", "Most bytes written to a device in a second."),
        ("--device-read-iops", "Most read operations on a device in a second."),
        ("--device-write-iops", "Most write operations on a device in a second."),
    ):
        add(flag, action="append", default=[], metavar="PATH:VALUE", help=text)


def has_limits(options: argparse.Namespace) -> bool:
    """Tell whether any of the flags of `add_limit_flags` was given."""
    parser = argparse.ArgumentParser(add_help=False)
    add_limit_flags(parser)
    return any(getattr(options, name) != value for name, value in vars(parser.parse_args([])).items())


def add_process_limit_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for limits that a process gets at its start."""
    parser.add_argument(
        "--ulimit",
        action="append",
        default=[],
        metavar="NAME=SOFT[:HARD]",
        help="Limit of setrlimit(2), such as nofile=1024:4096.",
    )
    parser.add_argument(
        "--oom-score-adj",
        type=int,
        default=None,
        help="How readily the kernel kills it when memory runs out, -1000 to 1000.",
    )


def set_limits(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags for limits into a spec; those not given leave it as it is."""
    resources = spec.resources
    _set_memory(resources, options)
    _set_processors(resources, options)
    if options.pids_limit > 0:
        resources.pids = options.pids_limit
    elif options.pids_limit < 0:
        resources.ClearField("pids")
    if options.blkio_weight:
        resources.block_io.weight = options.blkio_weight
    elif options.blkio_weight == 0:
        resources.block_io.ClearField("weight")
    for flag, field in _DEVICE_FLAGS.items():
        for text in getattr(options, flag):
            _set_device(resources, flag, field, text)


def set_process_limits(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put ulimits and the OOM score into a spec."""
    if options.oom_score_adj is not None:
        spec.oom_score_adj = options.oom_score_adj
    for text in options.ulimit:
        name, equals, limits = text.partition("=")
        if not equals:
            raise Failure(f"--ulimit: {text!r} is not NAME=SOFT[:HARD]", code=_EXIT_DAEMON)
        fields = _parse("--ulimit", parse_ulimit, limits)
        if isinstance(fields, dict):
            spec.ulimits[name].soft, spec.ulimits[name].hard = fields["soft"], fields["hard"]


def _parse(flag: str, parse: Callable[[object], object], text: str) -> object:
    try:
        return parse(text)
    except ValueError as error:
        raise Failure(f"{flag}: {error}", code=_EXIT_DAEMON) from error


def _parse_size(flag: str, text: str) -> int:
    return int(str(_parse(flag, parse_size_bytes, text)))


def _set_memory(resources: resource_pb2.Resources, options: argparse.Namespace) -> None:
    if options.memory:
        resources.memory_bytes = _parse_size("--memory", options.memory)
    if options.memory_swap == "-1":
        resources.memory_swap_bytes = -1
    elif options.memory_swap:
        resources.memory_swap_bytes = _parse_size("--memory-swap", options.memory_swap)
    if options.memory_reservation:
        resources.memory_reservation_bytes = _parse_size("--memory-reservation", options.memory_reservation)
    if options.memory_swappiness == -1:
        resources.ClearField("memory_swappiness")
    elif options.memory_swappiness is not None:
        resources.memory_swappiness = options.memory_swappiness
    if options.oom_kill_disable:
        resources.oom_kill_disable = True


def _set_processors(resources: resource_pb2.Resources, options: argparse.Namespace) -> None:
    """Set shares of processors; --cpus takes the place of quota and period, and they that of --cpus."""
    if options.cpus and (options.cpu_quota or options.cpu_period):
        raise Failure(
            "--cpus stands for --cpu-quota and --cpu-period: give one or the other", code=_EXIT_DAEMON
        )
    if options.cpus:
        resources.cpus = options.cpus
        resources.ClearField("cpu_quota_us")
        resources.ClearField("cpu_period_us")
    if options.cpu_period:
        resources.cpu_period_us = options.cpu_period
        resources.ClearField("cpus")
    if options.cpu_quota > 0:
        resources.cpu_quota_us = options.cpu_quota
        resources.ClearField("cpus")
    elif options.cpu_quota < 0:
        resources.ClearField("cpu_quota_us")
    if options.cpu_shares:
        resources.cpu_shares = options.cpu_shares
    if options.cpuset_cpus:
        resources.cpuset_cpus = options.cpuset_cpus
    if options.cpuset_mems:
        resources.cpuset_mems = options.cpuset_mems


def _set_device(resources: resource_pb2.Resources, flag: str, field: str, text: str) -> None:
    name = f"--{flag.replace('_', '-')}"
    path, colon, value = text.rpartition(":")
    if not colon or not path:
        raise Failure(f"{name}: {text!r} is not PATH:VALUE, such as /dev/vda:1mb", code=_EXIT_DAEMON)
    if field.endswith("_bps"):
        number = _parse_size(name, value)
    elif value.isdigit():
        number = int(value)
    else:
        raise Failure(f"{name}: {value!r} is not a number", code=_EXIT_DAEMON)
    device = resources.block_io.devices[path]
    fields = {each.name: value for each, value in device.ListFields() if each.name != field}
    if number:
        fields[field] = number
    device.CopyFrom(resource_pb2.DeviceIO(**fields))


def set_restart(spec: resource_pb2.ContainerSpec, text: str) -> None:
    """Put a restart policy into a spec."""
    try:
        policy = parse_restart(text)
    except ValueError as error:
        raise Failure(f"--restart: {error}", code=125) from error
    fields = policy if isinstance(policy, dict) else {"name": text}
    spec.restart.name = str(fields["name"])
    spec.restart.max_retries = int(str(fields.get("max_retries", 0)))
