"""What containers use: from two samples to what people look at. Bytes count from a container's start."""

from dataclasses import dataclass

from controller.model.ids import Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """One container at one moment; `taken_at_s` is on a clock that only goes forward.

    `memory_bytes` is without file pages that are not in use; `memory_limit_bytes` is the host's memory where there is
    no limit.
    """

    uid: Uid
    taken_at_s: float
    cpu_s: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    pids: int = 0
    network_received_bytes: int = 0
    network_sent_bytes: int = 0
    block_read_bytes: int = 0
    block_written_bytes: int = 0


def derive_cpu_percent(before: UsageSample | None, after: UsageSample) -> float:
    """Return the processor time between two samples in per cent of one processor's; 0 for a first sample."""
    if before is None or after.taken_at_s <= before.taken_at_s:
        return 0.0
    return max(0.0, after.cpu_s - before.cpu_s) / (after.taken_at_s - before.taken_at_s) * 100


def derive_working_set(usage_bytes: int, inactive_file_bytes: int) -> int:
    """Return memory in use without file pages that nobody has touched for long, which the kernel takes back first."""
    return max(0, usage_bytes - inactive_file_bytes)
