"""Conditions of a status: why an object is not yet as declared, and since when."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from controller.model.resource import Condition, ConditionStatus, ConditionType, Status, find_condition


class Reason(StrEnum):
    """Every reason that a planner gives."""

    RUNNING = "Running"
    PAUSED = "Paused"
    CREATING = "Creating"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    COMPLETED = "Completed"
    ERROR = "Error"
    OUT_OF_MEMORY = "OutOfMemory"
    START_FAILED = "StartFailed"
    BACK_OFF = "BackOff"
    RESTARTING = "Restarting"
    REQUESTED = "Requested"
    RECREATE = "Recreate"
    NEW_RUN = "NewRun"
    NAMESPACE_LOST = "NamespaceLost"
    DELETED = "Deleted"
    WAITING_FOR_IMAGE = "WaitingForImage"
    WAITING_FOR_NETWORKS = "WaitingForNetworks"
    WAITING_FOR_VOLUMES = "WaitingForVolumes"
    WAITING_FOR_DEPENDENCIES = "WaitingForDependencies"
    WAITING_FOR_CONTAINERS = "WaitingForContainers"
    BEING_MADE = "BeingMade"
    NOT_ATTACHED = "NotAttached"
    ATTACHED = "Attached"
    NOT_PUBLISHED = "NotPublished"
    PUBLISHED = "Published"
    NOT_SERVED = "NotServed"
    SERVED = "Served"
    ENFORCED = "Enforced"
    NOT_ENFORCED = "NotEnforced"
    MONITOR_LOST = "MonitorLost"
    STARTING = "Starting"
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    PRESENT = "Present"
    PULLING = "Pulling"
    PULL_FAILED = "PullFailed"
    ABSENT = "Absent"
    PARENT_MISSING = "ParentMissing"
    NOT_A_BRIDGE = "NotABridge"
    INTERNAL = "Internal"
    DRIVER_UNAVAILABLE = "DriverUnavailable"
    DRIVER_FORGOTTEN = "DriverForgotten"
    NOT_DELETED = "NotDeleted"


def make_condition(
    kind: ConditionType, reason: str, message: str = "", *, holds: bool, at: datetime | None = None
) -> Condition:
    """Return a condition; `at` is filled in by `date_conditions` when it is not given."""
    status = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    return Condition(type=kind, status=status, reason=reason, message=message, last_transition_at=at)


def date_conditions(previous: Status, present: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """Return `present` with the time of each one's last change of status: the previous one's when it had the same."""
    dated = []
    for condition in present:
        before = find_condition(previous, condition.type)
        if before is not None and before.status is condition.status:
            since = before.last_transition_at
        else:
            since = condition.last_transition_at or now
        dated.append(condition.model_copy(update={"last_transition_at": since}))
    return tuple(dated)


def list_setback(status: Status, reason: str, message: str, now: datetime) -> tuple[Condition, ...]:
    """Return the conditions of `status` with Ready false for a reason that no planner foresaw."""
    others = [condition for condition in status.conditions if condition.type != "Ready"]
    ready = make_condition("Ready", reason, message, holds=False)
    return date_conditions(status, [ready, *others], now)


def has_reason(status: Status, kind: ConditionType, reason: Reason) -> bool:
    """Tell whether the condition is there with this reason."""
    condition = find_condition(status, kind)
    return condition is not None and condition.reason == reason
