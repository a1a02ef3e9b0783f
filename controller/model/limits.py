"""Limits of cgroups as the kernel has them: wanted of an adapter, and found by it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimits:
    """Limits on one block device; None is without. `device` is a path, or MAJOR:MINOR where none is known."""

    device: str
    weight: int | None = None
    read_bps: int | None = None
    write_bps: int | None = None
    read_iops: int | None = None
    write_iops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitValues:
    """Every limit of a container's cgroups; None is no limit, or what the kernel gives to a new cgroup.

    `memory_swap_bytes` is memory and swap together. `cpus` is quota divided by period. `cpuset_cpus` and `cpuset_mems`
    are lists as the kernel prints them. `devices` are in the order of their names.
    """

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    cpus: float | None = None
    cpu_period_us: int | None = None
    cpu_shares: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids: int | None = None
    block_io_weight: int | None = None
    devices: tuple[DeviceLimits, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsWant(LimitValues):
    """Limits to set. None takes a limit away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """What the host can limit, and what it gives to a container without limits.

    `absent` names fields of LimitValues that this kernel has no file for, `inherited` has the values of the parent
    cgroup. `ulimits` are the highest hard limits that the daemon may give, by name (nofile), where there is one.
    """

    inherited: LimitValues = LimitValues()
    absent: frozenset[str] = frozenset()
    ulimits: tuple[tuple[str, int], ...] = ()
    least_oom_score_adj: int = -1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFacts(LimitValues):
    """Limits in force. Those equal to the inherited ones are None.

    `cpu_weight` is set on cgroup v2 alone, which has weights (1 to 10000) in the place of shares. `host` is about the
    host, not about the container, and doesn't count when facts are compared.
    """

    cpu_weight: int | None = None
    host: HostLimits = field(default=HostLimits(), compare=False)
