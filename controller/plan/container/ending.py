"""The ways down: asking a process to end, letting go of what an ended one held, removing all."""

from datetime import datetime, timedelta

from controller.model.container import ContainerStatus, Phase, StopOrder
from controller.model.facts import ProcessState
from controller.model.resource import Condition, find_condition
from controller.model.signals import find_number
from controller.plan.base import Plan
from controller.plan.conditions import Reason, make_condition
from controller.plan.container.actions import (
    ContainerAction,
    DeleteNamespace,
    DeleteProcess,
    DeleteRoot,
    ResumeProcess,
    SignalProcess,
    UnmountRoot,
)
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.status import amend

DEFAULT_STOP_SIGNAL = "SIGTERM"
_KILL_AGAIN_S = 1.0


def plan_stop(
    desired: ContainerDesired, observed: ContainerObserved, reason: Reason, now: datetime
) -> Plan[ContainerAction, ContainerStatus]:
    """Ask a live process to end, and kill it when its time is over. `reason` is why it has to go."""
    order = _find_order(desired, observed, reason)
    grace_s = order.grace_period_s
    if grace_s is None:
        grace_s = desired.container.spec.stop_grace_period_s
    if reason is Reason.DELETED and grace_s == 0:
        return plan_removal(desired, observed, now)
    before = find_condition(desired.status, "Stopping")
    asked_at = before.last_transition_at if before is not None else None
    status = _mark_stopping(desired, reason, now)
    resume: tuple[ContainerAction, ...] = ()
    if observed.process is not None and observed.process.state is ProcessState.PAUSED:
        resume = (ResumeProcess(uid=desired.uid),)
    remaining_s = grace_s
    if asked_at is not None:
        # A clock set back must not make the wait longer.
        remaining_s = min(grace_s, (asked_at + timedelta(seconds=grace_s) - now).total_seconds())
    if remaining_s <= 0:
        kill = SignalProcess(uid=desired.uid, signal="SIGKILL", number=find_number("SIGKILL"))
        return Plan(actions=(*resume, kill), status=status, requeue_after_s=_KILL_AGAIN_S)
    if asked_at is None:
        name = order.signal or choose_stop_signal(desired)
        ask = SignalProcess(uid=desired.uid, signal=name, number=find_number(name))
        return Plan(actions=(*resume, ask), status=status, requeue_after_s=remaining_s)
    return Plan(actions=resume, status=status, requeue_after_s=remaining_s)


def _find_order(desired: ContainerDesired, observed: ContainerObserved, reason: Reason) -> StopOrder:
    """Return what was asked for this process' end, an order without a word where nothing was."""
    assigned, process = desired.container.assigned, observed.process
    order = assigned.stop if assigned is not None else None
    is_meant = order is not None and process is not None and process.run <= order.run
    return order if order is not None and is_meant and reason is not Reason.DELETED else StopOrder(run=0)


def choose_stop_signal(desired: ContainerDesired) -> str:
    """Return the spec's stop signal, the image's, or SIGTERM."""
    config = desired.image.status.config if desired.image is not None else None
    return desired.container.spec.stop_signal or (config and config.stop_signal) or DEFAULT_STOP_SIGNAL


def _mark_stopping(desired: ContainerDesired, reason: Reason, now: datetime) -> ContainerStatus:
    conditions: list[Condition] = [
        make_condition("Ready", Reason.STOPPING, holds=False),
        make_condition("Stopping", reason, holds=True),
    ]
    return amend(desired, now, conditions, phase=Phase.STOPPING)


def list_release_actions(observed: ContainerObserved) -> tuple[ContainerAction, ...]:
    """Return what lets go of everything but the root."""
    actions: list[ContainerAction] = []
    if observed.process is not None:
        actions.append(DeleteProcess(uid=observed.process.uid))
    if observed.namespace is not None:
        actions.append(DeleteNamespace(uid=observed.namespace.container))
    return tuple(actions)


def list_removal_actions(observed: ContainerObserved) -> tuple[ContainerAction, ...]:
    """Return what removes everything of a container, living or not. Links go with their namespace."""
    actions = [*list_release_actions(observed)]
    root = observed.root
    if root is not None and root.mounted:
        actions.append(UnmountRoot(uid=root.uid))
    if root is not None and (root.mounted or root.has_upper):
        actions.append(DeleteRoot(uid=root.uid))
    return tuple(actions)


def plan_removal(
    desired: ContainerDesired, observed: ContainerObserved, now: datetime
) -> Plan[ContainerAction, ContainerStatus]:
    """Remove everything of a deleted container."""
    actions = list_removal_actions(observed)
    status = _mark_stopping(desired, Reason.DELETED, now)
    return Plan(actions=actions, status=status, gone=not actions)
