"""A container's status in each situation."""

from collections.abc import Iterable
from datetime import datetime

from controller.errors import HoldError, Invalid, NotFound, Refused, Unsupported
from controller.model.attachments import AttachmentStatus
from controller.model.container import ContainerSpec, ContainerStatus, DesiredState, Phase
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.health import Health
from controller.model.limits import LimitFacts
from controller.model.network import FAMILIES, Network
from controller.model.network_drivers import BRIDGE
from controller.model.ports import PortMapping
from controller.model.resource import Condition, find_condition, is_ready
from controller.model.resources import Resources
from controller.plan.conditions import Reason, date_conditions, list_setback, make_condition
from controller.plan.container.actions import (
    ApplyLimits,
    Attach,
    ContainerAction,
    CreateProcess,
    MountVolume,
    PrefillVolume,
    StartProcess,
)
from controller.plan.container.expansion import has_ports
from controller.plan.container.health import choose_health, make_health_condition
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.links import is_attached
from controller.plan.container.telling import describe_end
from controller.plan.container.verdict import decide_start, is_fresh, to_datetime
from controller.plan.exposure import bind_ports, find_way_out
from controller.plan.limits import list_shortfalls

LOST_EXIT_CODE = 255
"""For a process whose end nobody saw, as Docker has it."""

MONITOR_LOST_MESSAGE = (
    "conmon has ended before the process: what the process writes is lost, and so will be its exit code; "
    "hold restart gives it another one"
)

_START_REFUSALS = (Refused, NotFound, Invalid, Unsupported)


def amend(
    desired: ContainerDesired, now: datetime, conditions: Iterable[Condition], **fields: object
) -> ContainerStatus:
    """Return the present status with new conditions and `fields`."""
    assigned = desired.container.assigned
    update = {
        "volumes": assigned.volumes if assigned is not None else {},
        "observed_generation": desired.container.metadata.generation,
        "conditions": date_conditions(desired.status, conditions, now),
        **fields,
    }
    return desired.status.model_copy(update=update)


def clear_history(status: ContainerStatus) -> ContainerStatus:
    """Return the status before a start that somebody asked for: as if the container had never run."""
    return status.model_copy(
        update={
            "started_at": None,
            "finished_at": None,
            "exit_code": None,
            "oom_killed": False,
            "restarts": 0,
            "backoff_s": 0.0,
            "error": "",
        }
    )


def derive_running(
    desired: ContainerDesired, observed: ContainerObserved, wants: tuple[Attach, ...], now: datetime
) -> ContainerStatus:
    """Return the status while the process lives as it should."""
    process = observed.process
    status = desired.status
    fields: dict[str, object] = {}
    health: Health | None = None
    if process is not None and process.started_at is not None:
        started_at = to_datetime(process.started_at)
        fields |= {"pid": process.pid, "started_at": started_at, "run": process.run}
        fields |= {"spec_hash": process.spec_hash, "error": ""}
        if started_at != status.started_at:
            fields |= _count_start(desired)
        health = choose_health(desired.container, desired.check, started_at, observed.health)
        fields["health"] = health
    by_link = {facts.host_link: facts for facts in observed.attachments}
    attached = [want for want in wants if is_attached(want.want, by_link.get(want.want.host_link))]
    paused = process is not None and process.state is ProcessState.PAUSED
    return amend(
        desired,
        now,
        [
            *_list_running(desired, observed, len(attached), paused=paused),
            *([make_health_condition(health)] if health is not None else []),
        ],
        phase=Phase.PAUSED if paused else Phase.RUNNING,
        networks=tuple(_derive_attachment(attach) for attach in attached),
        ports=_list_ports(desired),
        **fields,
    )


def _list_ports(desired: ContainerDesired) -> tuple[PortMapping, ...]:
    assigned = desired.container.assigned
    way_out = _find_way_out(desired)
    if _is_locked_in(desired) or (way_out is not None and way_out.spec.driver != BRIDGE):
        return ()
    return bind_ports(assigned.ports, way_out) if assigned is not None else ()


def _count_start(desired: ContainerDesired) -> dict[str, object]:
    """Return the counters after a start that the status does not know of yet."""
    if is_fresh(desired):
        return {"restarts": 0, "backoff_s": 0.0, "exit_code": None, "finished_at": None, "oom_killed": False}
    wait_s = decide_start(desired).wait_s
    return {"restarts": desired.status.restarts + 1, "backoff_s": wait_s or 0.0}


def _list_running(
    desired: ContainerDesired, observed: ContainerObserved, attached: int, *, paused: bool
) -> list[Condition]:
    spec = desired.container.spec
    all_attached = attached == len(spec.networks)
    unpublishable = _find_unpublishable(desired)
    published = observed.ports_published or not has_ports(desired.container) or unpublishable is not None
    if paused or spec.desired is DesiredState.PAUSED:
        reason = Reason.PAUSED
    elif not all_attached:
        reason = Reason.NOT_ATTACHED
    elif not published:
        reason = Reason.NOT_PUBLISHED
    else:
        reason = Reason.RUNNING
    conditions = [make_condition("Ready", reason, holds=reason is Reason.RUNNING)]
    if spec.networks:
        why = Reason.ATTACHED if all_attached else Reason.NOT_ATTACHED
        missing = "" if all_attached else _explain_missing(desired)
        conditions.append(make_condition("NetworksAttached", why, missing, holds=all_attached))
    if unpublishable is not None:
        conditions.append(unpublishable)
    elif has_ports(desired.container):
        why = Reason.PUBLISHED if published else Reason.NOT_PUBLISHED
        conditions.append(make_condition("PortsPublished", why, holds=published))
    if observed.limits is not None and _is_limited(spec):
        conditions.append(_tell_limits(spec, observed.limits))
    if observed.process is not None and not observed.process.monitored:
        conditions.append(make_condition("Monitored", Reason.MONITOR_LOST, MONITOR_LOST_MESSAGE, holds=False))
    return conditions


def _explain_missing(desired: ContainerDesired) -> str:
    """Return what the networks have to say that are not ready, nothing when all are."""
    told = (
        (name, find_condition(network.status, "Ready"))
        for name, network in desired.networks.items()
        if not is_ready(network.status)
    )
    return "; ".join(
        f"{name}: {ready.message}" for name, ready in told if ready is not None and ready.message
    )


def _find_unpublishable(desired: ContainerDesired) -> Condition | None:
    """Return why the container's ports can't be published, None when they can or when it has none."""
    way_out = _find_way_out(desired)
    if not has_ports(desired.container):
        return None
    if _is_locked_in(desired):
        names = ", ".join(desired.networks)
        message = f"no port of the host leads to internal networks ({names}): join one that is not"
        return make_condition("PortsPublished", Reason.INTERNAL, message, holds=False)
    if way_out is None or way_out.spec.driver == BRIDGE:
        return None
    message = (
        f"no port of the host leads to network {way_out.metadata.name}, which is {way_out.spec.driver}: "
        "the container is reached at its own address"
    )
    return make_condition("PortsPublished", Reason.NOT_A_BRIDGE, message, holds=False)


def _is_locked_in(desired: ContainerDesired) -> bool:
    """Tell whether all of the container's networks are internal."""
    return bool(desired.networks) and all(each.spec.internal for each in desired.networks.values())


def _is_limited(spec: ContainerSpec) -> bool:
    return spec.resources != Resources() or bool(spec.ulimits) or spec.oom_score_adj is not None


def _tell_limits(spec: ContainerSpec, facts: LimitFacts) -> Condition:
    shortfalls = list_shortfalls(spec, facts.host)
    reason = Reason.NOT_ENFORCED if shortfalls else Reason.ENFORCED
    return make_condition("LimitsEnforced", reason, "; ".join(shortfalls), holds=not shortfalls)


def _find_way_out(desired: ContainerDesired) -> Network | None:
    """Return the network that binds published ports: the way out by IPv4, or else that by IPv6."""
    ways = (find_way_out(desired.container.spec, desired.networks, family=family) for family in FAMILIES)
    return next(filter(None, ways), None)


def _derive_attachment(attach: Attach) -> AttachmentStatus:
    want = attach.want
    return AttachmentStatus(
        name=attach.network_name,
        ipv4=want.address.partition("/")[0],
        mac=want.mac,
        gateway=want.gateway,
        ipv6=want.ipv6_address.partition("/")[0],
        ipv6_gateway=want.ipv6_gateway,
        link_local_ips=tuple(text.partition("/")[0] for text in want.link_local),
    )


def derive_ended(desired: ContainerDesired, process: ProcessFacts | None, now: datetime) -> ContainerStatus:
    """Return the status after the end of `process`, None for one that vanished; the phase is for others to set."""
    status = desired.status
    stopping = find_condition(status, "Stopping")
    fields: dict[str, object] = {"pid": 0, "networks": (), "ports": ()}
    if process is None:
        fields |= {"finished_at": now, "exit_code": LOST_EXIT_CODE, "oom_killed": False}
    else:
        finished_at = to_datetime(process.finished_at) if process.finished_at is not None else now
        fields |= {"run": process.run, "spec_hash": process.spec_hash, "oom_killed": process.oom_killed}
        if process.started_at is None:
            error = process.error or "the process ended before its program was started"
            fields |= {"error": error, "finished_at": finished_at}
        else:
            started_at = to_datetime(process.started_at)
            if started_at != status.started_at:
                fields |= _count_start(desired)
            code = LOST_EXIT_CODE if process.exit_code is None else process.exit_code
            fields |= {"started_at": started_at, "finished_at": max(started_at, finished_at)}
            fields |= {"exit_code": code, "error": ""}
    ended = amend(desired, now, (), **fields)
    return ended.model_copy(
        update={
            "conditions": date_conditions(
                status, [_explain_end(ended, desired.container.spec, stopping)], now
            )
        }
    )


def _explain_end(status: ContainerStatus, spec: ContainerSpec, stopping: Condition | None) -> Condition:
    if stopping is not None and stopping.reason == Reason.UNHEALTHY:
        return make_condition("Ready", Reason.UNHEALTHY, "the health check failed", holds=False)
    if stopping is not None:
        return make_condition("Ready", Reason.STOPPED, holds=False)
    if status.error:
        return make_condition("Ready", Reason.START_FAILED, status.error, holds=False)
    if status.exit_code == 0:
        return make_condition("Ready", Reason.COMPLETED, holds=False)
    reason = Reason.OUT_OF_MEMORY if status.oom_killed else Reason.ERROR
    return make_condition("Ready", reason, describe_end(status, spec, stopping), holds=False)


def _belongs_to_start(desired: ContainerDesired, action: ContainerAction) -> bool:
    """Tell whether a failed action means that the process can't run; limits are also set while it lives."""
    starting = desired.status.phase is Phase.CREATING
    is_start = isinstance(action, CreateProcess | StartProcess | MountVolume | PrefillVolume)
    return is_start or (isinstance(action, ApplyLimits) and starting)


def derive_failure(
    desired: ContainerDesired, action: ContainerAction, error: HoldError, now: datetime
) -> ContainerStatus:
    """Return the status after `action` failed.

    A process that can't be created or started is a failed run, tried again by the restart policy alone; anything
    else is tried again as it is.
    """
    if not _belongs_to_start(desired, action) or not isinstance(error, _START_REFUSALS):
        message = f"{action.describe()}: {error.message}"
        conditions = list_setback(desired.status, type(error).__name__, message, now)
        return amend(desired, now, conditions)
    counters: dict[str, object] = {"restarts": 0, "backoff_s": 0.0}
    if not is_fresh(desired):
        wait_s = decide_start(desired).wait_s or 0.0
        counters = {"restarts": desired.status.restarts + 1, "backoff_s": wait_s}
    return amend(
        desired,
        now,
        [make_condition("Ready", Reason.START_FAILED, error.message, holds=False)],
        phase=Phase.FAILED,
        pid=0,
        error=error.message,
        finished_at=now,
        run=desired.container.spec.run,
        spec_hash=desired.spec_hash,
        networks=(),
        ports=(),
        **counters,
    )
