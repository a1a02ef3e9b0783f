"""What people are told of starts and ends: what happened, and why."""

from controller.model.container import ContainerSpec, ContainerStatus
from controller.model.quantities import print_size
from controller.model.resource import Condition
from controller.model.signals import find_name
from controller.plan.conditions import Reason

_BY_SIGNAL = 128
"""Exit codes above this stand for the end by a signal, as shells have it."""

_CAUSES = {
    Reason.REQUESTED: "a stop was asked for",
    Reason.NEW_RUN: "a restart was asked for",
    Reason.RECREATE: "the changed spec needs another process",
    Reason.NAMESPACE_LOST: "its network was gone",
    Reason.UNHEALTHY: "the health check failed",
    Reason.DELETED: "a removal was asked for",
}


def describe_end(status: ContainerStatus, spec: ContainerSpec, stopping: Condition | None) -> str:
    """Return how the process ended, and why; `stopping` is the condition that told that it had to, if it had."""
    code = status.exit_code or 0
    signal = find_name(code - _BY_SIGNAL) if stopping is None else ""
    told = f"the process ended with exit code {code}{f' ({signal})' if signal else ''}"
    if status.oom_killed:
        limit = spec.resources.memory_bytes
        cause = f"memory ran out{f', the limit is {print_size(limit)}' if limit is not None else ''}"
    else:
        cause = _CAUSES.get(Reason(stopping.reason), "") if stopping is not None else ""
    return f"{cause}: {told}" if cause else told


def describe_start(status: ContainerStatus, spec: ContainerSpec) -> str:
    """Return which process runs, and whose doing that is when nobody asked for it."""
    told = f"process {status.pid} runs"
    if not status.restarts:
        return told
    policy = spec.restart
    retries = f":{policy.max_retries}" if policy.max_retries else ""
    by_policy = f" by the policy {policy.name}{retries}" if policy.name != "no" else ""
    return f"{told}, restart {status.restarts}{by_policy}"
