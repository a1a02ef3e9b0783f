"""Whether a container's process should be started, left ended, or stopped."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.container import ContainerStatus, DesiredState, Phase
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.health import HealthState
from controller.model.resource import find_condition
from controller.model.restart import RestartPolicy
from controller.plan.conditions import Reason, has_reason
from controller.plan.container.health import choose_health
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.restart import Ending, choose_wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a container without a live process.

    `fresh` asks for a start because somebody wants one, `wait_s` for a restart by policy so long after the end;
    with neither it stays as it is.
    """

    fresh: bool = False
    wait_s: float | None = None

    @property
    def is_final(self) -> bool:
        return not self.fresh and self.wait_s is None


def decide_start(desired: ContainerDesired) -> Verdict:
    """Return the verdict on a container whose status is up to date and whose process is gone."""
    spec, status = desired.container.spec, desired.status
    if spec.desired is DesiredState.STOPPED:
        return Verdict()
    if is_fresh(desired):
        return Verdict(fresh=True)
    policy = RestartPolicy(name="always") if _must_recover(desired) else spec.restart
    return Verdict(wait_s=choose_wait_s(policy, _find_ending(status)))


def _must_recover(desired: ContainerDesired) -> bool:
    """Tell whether the last run was unhealthy and such containers are to be restarted, whatever the policy says."""
    health, check = desired.status.health, desired.check
    return (
        health is not None and health.state is HealthState.UNHEALTHY and check is not None and check.restart
    )


def is_fresh(desired: ContainerDesired) -> bool:
    """Tell whether the next start, or the one just made, is one that somebody asked for, not the restart policy."""
    status, metadata = desired.status, desired.container.metadata
    never_begun = status.started_at is None and not status.error
    return (
        never_begun
        or desired.container.spec.run > status.run
        or status.spec_hash not in ("", desired.spec_hash)
        or has_reason(status, "Ready", Reason.STOPPED)
        or bool(status.error and metadata.generation > status.observed_generation)
    )


def _find_ending(status: ContainerStatus) -> Ending:
    ran_s = 0.0
    began_at = status.started_at if status.health is None else status.health.healthy_at
    if began_at is not None and status.finished_at is not None and not status.error:
        ran_s = (status.finished_at - began_at).total_seconds()
    return Ending(
        exit_code=None if status.error else status.exit_code,
        ran_s=ran_s,
        restarts=status.restarts,
        backoff_s=status.backoff_s,
        failed_to_start=bool(status.error),
    )


def find_stop_reason(desired: ContainerDesired, observed: ContainerObserved) -> Reason | None:
    """Return why a live process has to go, None when it may stay. One that was asked to end goes on ending."""
    process, spec = observed.process, desired.container.spec
    if process is None:
        return None
    if desired.container.metadata.deleted_at is not None:
        return Reason.DELETED
    stopping = find_condition(desired.status, "Stopping")
    if stopping is not None:
        return Reason(stopping.reason)
    reasons = {
        Reason.REQUESTED: spec.desired is DesiredState.STOPPED,
        Reason.RECREATE: process.spec_hash != desired.spec_hash,
        Reason.NEW_RUN: process.run < spec.run,
        Reason.NAMESPACE_LOST: _has_lost_namespace(desired, observed),
        Reason.UNHEALTHY: _has_to_recover(desired, observed, process),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _has_to_recover(desired: ContainerDesired, observed: ContainerObserved, process: ProcessFacts) -> bool:
    """Tell whether the live process is unhealthy and is to be restarted therefore."""
    check = desired.check
    if check is None or not check.restart or process.state is not ProcessState.RUNNING:
        return False
    started_at = to_datetime(process.started_at) if process.started_at is not None else None
    health = choose_health(desired.container, check, started_at, observed.health)
    return health is not None and health.state is HealthState.UNHEALTHY


def _has_lost_namespace(desired: ContainerDesired, observed: ContainerObserved) -> bool:
    """Tell whether the network namespace is gone, its own or another container's, or is no longer the process' own."""
    if desired.is_isolated:
        return observed.namespace is None
    peer, joined = desired.network_peer, observed.joined
    if peer is None or desired.joined_namespace is None or observed.process is None:
        return False
    at_rest = peer.status.phase in (Phase.EXITED, Phase.FAILED)
    return at_rest or joined is None or observed.process.network_identity not in (0, joined.identity)


def is_alive(process: ProcessFacts | None) -> bool:
    """Tell whether the program runs or is frozen."""
    return process is not None and process.state in (ProcessState.RUNNING, ProcessState.PAUSED)


def is_believed_alive(status: ContainerStatus) -> bool:
    """Tell whether the status speaks of a process whose end it does not know."""
    return status.pid != 0 or (status.started_at is not None and status.finished_at is None)


def is_recorded(status: ContainerStatus, process: ProcessFacts) -> bool:
    """Tell whether the status speaks of the end of this very process."""
    if process.started_at is None:
        return status.phase is Phase.FAILED or bool(status.error)
    return (
        status.pid == 0
        and status.finished_at is not None
        and status.started_at == to_datetime(process.started_at)
        and status.finished_at >= status.started_at
    )


def to_datetime(seconds: float) -> datetime:
    """Return the time for seconds since the epoch."""
    return EPOCH.fromtimestamp(seconds, tz=EPOCH.tzinfo)


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
