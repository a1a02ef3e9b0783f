"""Limits of a container, in Docker's words."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from controller.model.base import Model
from controller.model.short_forms import parse_number_list, parse_ulimit
from controller.model.units import Number, SizeBytes

LEAST_MEMORY_BYTES = 6 << 20
UNLIMITED = -1
DEFAULT_CPU_PERIOD_US = 100_000

UlimitName = Literal[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
]  # fmt: skip
"""The resources of setrlimit(2) that Docker takes."""

BlockDevice = Annotated[str, Field(pattern=r"^/")]
CpuList = Annotated[str, BeforeValidator(parse_number_list)]
Weight = Annotated[Number, Field(ge=10, le=1000)]


class Ulimit(Model):
    """A limit of setrlimit(2); -1 is without a limit."""

    soft: Number = Field(ge=UNLIMITED, description="The limit in force; -1 is none.")
    hard: Number = Field(ge=UNLIMITED, description="How far the process may raise it; -1 is without a limit.")

    @model_validator(mode="after")
    def _soft_is_below_hard(self) -> Self:
        unlimited_soft = self.soft == UNLIMITED and self.hard != UNLIMITED
        if unlimited_soft or (self.hard != UNLIMITED and self.soft > self.hard):
            raise ValueError(f"the soft limit {self.soft} is above the hard limit {self.hard}")
        return self


Ulimits = dict[UlimitName, Annotated[Ulimit, BeforeValidator(parse_ulimit)]]


class DeviceIO(Model):
    """Rates and weight of a container on one block device."""

    weight: Weight | None = Field(default=None, description="Share of the device, from 10 to 1000.")
    read_bps: SizeBytes | None = Field(
        default=None, ge=1, description="Most bytes read in a second, such as 1MiB."
    )
    write_bps: SizeBytes | None = Field(
        default=None, ge=1, description="Most bytes written in a second, such as 1MiB."
    )
    read_iops: Number | None = Field(default=None, ge=1, description="Most read operations in a second.")
    write_iops: Number | None = Field(default=None, ge=1, description="Most write operations in a second.")


class BlockIO(Model):
    """Limits on block devices."""

    weight: Weight | None = Field(
        default=None, description="Share of every block device, from 10 to 1000; the kernel's 100 by default."
    )
    devices: dict[BlockDevice, DeviceIO] = Field(
        default={}, description="Limits on single devices, by path such as /dev/vda."
    )


class Resources(Model):
    """Limits, enforced by cgroups, changed in place."""

    memory_bytes: SizeBytes | None = Field(
        default=None,
        alias="memory",
        ge=LEAST_MEMORY_BYTES,
        description="Most memory, in bytes or as 64MiB; at least 6 MiB.",
    )
    memory_swap_bytes: SizeBytes | None = Field(
        default=None,
        alias="memorySwap",
        ge=UNLIMITED,
        description="Most memory and swap together; -1 is any amount of swap. Twice the memory by default.",
    )
    memory_reservation_bytes: SizeBytes | None = Field(
        default=None,
        alias="memoryReservation",
        ge=LEAST_MEMORY_BYTES,
        description="Memory that is left to the container when the host runs short.",
    )
    memory_swappiness: Number | None = Field(
        default=None, ge=0, le=100, description="How readily the kernel swaps, from 0 to 100 (cgroup v1)."
    )
    oom_kill_disable: bool = Field(
        default=False,
        description="Whether processes wait instead of being killed when memory runs out (cgroup v1).",
    )
    cpus: float | None = Field(
        default=None, gt=0, le=4096, description="Most processors' worth of time, such as 0.5."
    )
    cpu_period_us: Number | None = Field(
        default=None,
        alias="cpuPeriod",
        ge=1000,
        le=1_000_000,
        description="Microseconds over which processor time is counted; 100000.",
    )
    cpu_quota_us: Number | None = Field(
        default=None,
        alias="cpuQuota",
        ge=1000,
        description="Most microseconds of processor time in each period; instead of cpus.",
    )
    cpu_shares: Number | None = Field(
        default=None,
        ge=2,
        le=262_144,
        description="Share of processor time when all is in use; 1024 by default.",
    )
    cpuset_cpus: CpuList | None = Field(
        default=None, description="Processors to run on, such as 0-2,7; all by default."
    )
    cpuset_mems: CpuList | None = Field(
        default=None, description="Memory nodes to use, such as 0,1; all by default."
    )
    pids: Number | None = Field(default=None, ge=1, le=4194304, description="Most processes and threads.")
    block_io: BlockIO = Field(default=BlockIO(), alias="blockIO", description="Limits on block devices.")

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        memory, swap = self.memory_bytes, self.memory_swap_bytes
        if swap is not None and memory is None:
            raise ValueError("memorySwap limits memory and swap together: give memory too")
        if swap is not None and memory is not None and swap != UNLIMITED and swap < memory:
            raise ValueError(f"memorySwap {swap} is less than memory {memory}: it limits both together")
        reservation = self.memory_reservation_bytes
        if reservation is not None and memory is not None and reservation > memory:
            raise ValueError(f"memoryReservation {reservation} is more than memory {memory}")
        if self.cpus is not None and (self.cpu_quota_us is not None or self.cpu_period_us is not None):
            raise ValueError("cpus stands for cpuQuota and cpuPeriod: remove one or the other")
        return self
