"""From a container, what it needs and what the kernel has of it to the next steps."""

from dataclasses import replace
from datetime import datetime, timedelta

from controller.model.changes import EventType
from controller.model.container import ContainerStatus, DesiredState, Phase
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.resource import Condition, find_condition
from controller.plan.base import Note, Plan
from controller.plan.conditions import Reason, has_reason, make_condition
from controller.plan.container.actions import ContainerAction, DeleteProcess
from controller.plan.container.ending import list_release_actions, plan_removal, plan_stop
from controller.plan.container.health import choose_health, note_health
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.links import list_wants
from controller.plan.container.starting import list_root_actions, list_start_actions
from controller.plan.container.status import (
    MONITOR_LOST_MESSAGE,
    amend,
    clear_history,
    derive_ended,
    derive_running,
)
from controller.plan.container.telling import describe_end, describe_start
from controller.plan.container.upkeep import list_upkeep_actions
from controller.plan.container.verdict import (
    decide_start,
    find_stop_reason,
    is_alive,
    is_believed_alive,
    is_recorded,
)
from controller.plan.container.waiting import list_waiting

ContainerPlan = Plan[ContainerAction, ContainerStatus]


def plan_container(desired: ContainerDesired, observed: ContainerObserved, now: datetime) -> ContainerPlan:
    """Return the next steps for a container.

    A plan without actions whose `requeue_after_s` is 0 has something to record before the next step.
    """
    process = observed.process
    if is_alive(process):
        reason = find_stop_reason(desired, observed)
        if reason is not None:
            return _plan_stop(desired, observed, reason, now)
        return _plan_upkeep(desired, observed, now)
    if process is not None and process.state is ProcessState.STOPPED:
        plan = _plan_ended(desired, process, now)
        if plan is not None:
            return plan
    if desired.container.metadata.deleted_at is not None:
        return plan_removal(desired, observed, now)
    if process is None and is_believed_alive(desired.status):
        return _plan_record(desired, None, now)
    return _plan_absent(desired, observed, now)


def _plan_stop(
    desired: ContainerDesired, observed: ContainerObserved, reason: Reason, now: datetime
) -> ContainerPlan:
    """End the process; that it was unhealthy is recorded where that is the reason to start it again."""
    if reason is not Reason.UNHEALTHY:
        return plan_stop(desired, observed, reason, now)
    before = desired.status.health
    health = choose_health(desired.container, desired.check, desired.status.started_at, observed.health)
    known = _with_status(desired, desired.status.model_copy(update={"health": health or before}))
    plan = plan_stop(known, observed, Reason.UNHEALTHY, now)
    return replace(plan, notes=(*plan.notes, *note_health(before, health)), is_asked_for=True)


def _plan_ended(desired: ContainerDesired, process: ProcessFacts, now: datetime) -> ContainerPlan | None:
    """Return what comes before any decision about an ended process, None when nothing does."""
    if _is_abandoned(process):
        return Plan(actions=(DeleteProcess(uid=process.uid),), status=desired.status)
    return None if is_recorded(desired.status, process) else _plan_record(desired, process, now)


def _is_abandoned(process: ProcessFacts) -> bool:
    """Tell whether the making of a process was broken off, by a crash of ours: its program never had its chance."""
    return process.started_at is None and not process.error


def _plan_record(desired: ContainerDesired, process: ProcessFacts | None, now: datetime) -> ContainerPlan:
    """Record an end before its traces are removed, so that no crash loses it."""
    status = derive_ended(desired, process, now)
    phase = _choose_ended_phase(_with_status(desired, status))
    return Plan(
        actions=(),
        status=status.model_copy(update={"phase": phase}),
        notes=(_note_end(desired, status),),
        requeue_after_s=0.0,
    )


def _choose_ended_phase(desired: ContainerDesired) -> Phase:
    if desired.status.error:
        return Phase.FAILED
    return Phase.EXITED if decide_start(desired).is_final else Phase.PENDING


def _note_end(desired: ContainerDesired, status: ContainerStatus) -> Note:
    if status.error:
        return Note(type=EventType.WARNING, reason="StartFailed", message=status.error)
    expected = status.exit_code == 0 or has_reason(status, "Ready", Reason.STOPPED)
    return Note(
        type=EventType.NORMAL if expected else EventType.WARNING,
        reason="OutOfMemory" if status.oom_killed else "Exited",
        message=describe_end(status, desired.container.spec, find_condition(desired.status, "Stopping")),
    )


def _plan_upkeep(desired: ContainerDesired, observed: ContainerObserved, now: datetime) -> ContainerPlan:
    wants = list_wants(desired, observed.attachments) if desired.is_isolated else ()
    status = derive_running(desired, observed, wants, now)
    notes: tuple[Note, ...] = ()
    if status.started_at != desired.status.started_at:
        notes = (
            Note(
                type=EventType.NORMAL,
                reason="Started",
                message=describe_start(status, desired.container.spec),
            ),
        )
    before = desired.status.health if status.started_at == desired.status.started_at else None
    notes += note_health(before, status.health)
    if find_condition(status, "Monitored") and not find_condition(desired.status, "Monitored"):
        notes += (Note(type=EventType.WARNING, reason="MonitorLost", message=MONITOR_LOST_MESSAGE),)
    return Plan(actions=list_upkeep_actions(desired, observed, wants), status=status, notes=notes)


def _plan_absent(desired: ContainerDesired, observed: ContainerObserved, now: datetime) -> ContainerPlan:
    """Decide what to do about a container whose program does not run."""
    verdict = decide_start(desired)
    if verdict.is_final:
        return _plan_rest(desired, observed, now)
    if not verdict.fresh:
        wait_s = _find_remaining_s(desired.status, verdict.wait_s or 0.0, now)
        if wait_s > 0:
            return _plan_back_off(desired, observed, wait_s, now)
        return _plan_start(desired, observed, now)
    return _plan_start(_with_status(desired, clear_history(desired.status)), observed, now)


def _plan_start(desired: ContainerDesired, observed: ContainerObserved, now: datetime) -> ContainerPlan:
    waiting = list_waiting(desired)
    if waiting:
        ready = make_condition("Ready", waiting[0].reason, waiting[0].message, holds=False)
        status = amend(desired, now, [ready, *waiting], phase=Phase.PENDING, pid=0, networks=(), ports=())
        # The remains of the run before would be taken for a new end, for which nobody asked.
        remains = (DeleteProcess(uid=desired.uid),) if observed.process is not None else ()
        return Plan(actions=remains, status=status)
    ready = make_condition("Ready", Reason.CREATING, holds=False)
    if not desired.is_fully_assigned:
        return Plan(actions=(), status=amend(desired, now, [ready], phase=Phase.PENDING), readmit=True)
    status = amend(desired, now, [ready], phase=Phase.CREATING)
    return Plan(actions=list_start_actions(desired, observed), status=status)


def _plan_back_off(
    desired: ContainerDesired, observed: ContainerObserved, wait_s: float, now: datetime
) -> ContainerPlan:
    reason = Reason.START_FAILED if desired.status.error else Reason.BACK_OFF
    status = desired.status
    message = status.error or describe_end(status, desired.container.spec, None)
    status = amend(
        desired,
        now,
        [make_condition("Ready", reason, message, holds=False)],
        phase=Phase.FAILED if desired.status.error else Phase.PENDING,
    )
    return Plan(actions=list_root_actions(desired, observed), status=status, requeue_after_s=wait_s)


def _plan_rest(desired: ContainerDesired, observed: ContainerObserved, now: datetime) -> ContainerPlan:
    """Keep the root of a container that stays ended and let go of the rest."""
    status, spec = desired.status, desired.container.spec
    ended = status.finished_at is not None or bool(status.error)
    before = find_condition(status, "Ready")
    if spec.desired is DesiredState.STOPPED:
        ready = make_condition("Ready", Reason.STOPPED, "" if ended else _recall_setback(before), holds=False)
    else:
        ready = before or make_condition("Ready", Reason.ERROR, holds=False)
    phase = _choose_ended_phase(desired) if ended else Phase.PENDING
    rested = amend(desired, now, [ready], phase=phase, pid=0, networks=(), ports=())
    if spec.auto_remove and ended:
        return Plan(actions=(), status=rested, retire=True)
    actions = (*list_release_actions(observed), *list_root_actions(desired, observed))
    return Plan(actions=actions, status=rested)


def _recall_setback(before: Condition | None) -> str:
    """Return why a container that nobody wants to start any more never did."""
    if before is None or not before.message:
        return ""
    return before.message if before.reason == Reason.STOPPED else f"it never started: {before.message}"


def _find_remaining_s(status: ContainerStatus, wait_s: float, now: datetime) -> float:
    """Return the seconds from now until `wait_s` after the end; a clock set back doesn't make it longer."""
    if status.finished_at is None:
        return 0.0
    due = status.finished_at + timedelta(seconds=wait_s)
    return min(wait_s, (due - now).total_seconds())


def _with_status(desired: ContainerDesired, status: ContainerStatus) -> ContainerDesired:
    return replace(desired, container=desired.container.model_copy(update={"status": status}))
