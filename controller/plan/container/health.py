"""Health checks, with Docker's rules: which check applies, when the next one is due, what its outcome means."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.model.changes import EventType
from controller.model.container import Container, Phase
from controller.model.health import (
    ExecProbe,
    Health,
    Healthcheck,
    HealthFacts,
    HealthState,
    Probe,
    ProbeOutcome,
    ProbeResult,
)
from controller.model.image import ImageConfig
from controller.model.resource import Condition
from controller.plan.base import Note
from controller.plan.conditions import Reason, make_condition

DEFAULT_INTERVAL_S = 30.0
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_START_INTERVAL_S = 5.0
DEFAULT_RETRIES = 3
LOG_LENGTH = 5
MOST_OUTPUT_BYTES = 4096
MOST_MESSAGE = 200
REPEATED_LOG_S = 30.0
"""How often at most a new output alone is worth a write to the store."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLOTS_OF_INTERVAL, _LONGEST_SLOT_S = 20, 0.5
"""Checks that are due within a slot are made at its beginning, together: what is awake does one more for less."""

_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A container's check with every default filled in."""

    probe: Probe
    interval_s: float = DEFAULT_INTERVAL_S
    timeout_s: float = DEFAULT_TIMEOUT_S
    start_period_s: float = 0.0
    start_interval_s: float = DEFAULT_START_INTERVAL_S
    retries: int = DEFAULT_RETRIES
    restart: bool = False


def derive_check(own: Healthcheck | None, image_config: ImageConfig | None) -> Check | None:
    """Return the check of a container, None without one: what the spec leaves out is taken from the image."""
    inherited = (image_config.healthcheck if image_config is not None else None) or Healthcheck()
    own = own or Healthcheck()
    probe = _choose_probe(own) or _choose_probe(inherited)
    if probe is None or own.test[:1] == ("NONE",):
        return None
    return Check(
        probe=probe,
        interval_s=own.interval_s or inherited.interval_s or DEFAULT_INTERVAL_S,
        timeout_s=own.timeout_s or inherited.timeout_s or DEFAULT_TIMEOUT_S,
        start_period_s=own.start_period_s or inherited.start_period_s,
        start_interval_s=own.start_interval_s or inherited.start_interval_s or DEFAULT_START_INTERVAL_S,
        retries=own.retries or inherited.retries or DEFAULT_RETRIES,
        restart=own.restart or inherited.restart,
    )


def _choose_probe(check: Healthcheck) -> Probe | None:
    match check.test:
        case ("CMD", *arguments):
            return ExecProbe(arguments=tuple(arguments))
        case ("CMD-SHELL", text):
            return ExecProbe(arguments=(*_SHELL, text))
        case _:
            return check.http or check.tcp or check.grpc


def find_probed_run(container: Container) -> datetime | None:
    """Return when the run began that is to be checked, None while none is: paused and stopping ones rest."""
    status = container.status
    runs = status.phase is Phase.RUNNING and status.pid != 0
    return status.started_at if runs and container.metadata.deleted_at is None else None


def resume_health(
    container: Container, check: Check, started_at: datetime, facts: HealthFacts | None
) -> Health:
    """Return what is known of the run, as far as it was found by the same probe: by facts, or by the status.

    The status is what an earlier daemon has left.
    """
    if facts is not None:
        same = facts.started_at == started_at and facts.probe == check.probe
        return facts.health if same else Health()
    status = container.status
    return status.health if status.health is not None and status.started_at == started_at else Health()


def plan_health(check: Check, health: Health, started_at: datetime, now: datetime) -> float:
    """Return the seconds until the next check is due. A clock set back doesn't make the wait longer.

    Checks are brought forward to the beginning of a slot, by a twentieth of their interval at most.
    """
    last = health.log[-1].finished_at if health.log else started_at
    in_start_period = (now - started_at).total_seconds() < check.start_period_s
    starting = health.state is HealthState.STARTING and in_start_period
    interval_s = check.start_interval_s if starting else check.interval_s
    due = max(last, started_at) + timedelta(seconds=interval_s)
    slot = timedelta(seconds=min(interval_s / _SLOTS_OF_INTERVAL, _LONGEST_SLOT_S))
    early = (due - _EPOCH) % slot
    return min(interval_s, max(0.0, (due - early - now).total_seconds()))


def make_result(outcome: ProbeOutcome, began_at: datetime, now: datetime) -> ProbeResult:
    """Return the result of a check, its output cut to what is kept."""
    output = outcome.output.encode()
    text = outcome.output
    if len(output) > MOST_OUTPUT_BYTES:
        text = output[:MOST_OUTPUT_BYTES].decode(errors="ignore")
    return ProbeResult(
        started_at=began_at, finished_at=max(began_at, now), exit_code=outcome.exit_code, output=text
    )


def advance_health(check: Check, health: Health, started_at: datetime, result: ProbeResult) -> Health:
    """Return the health after a check. Failures in the start period count only once a check has passed."""
    log = (*health.log, result)[-LOG_LENGTH:]
    if result.exit_code == 0:
        return Health(state=HealthState.HEALTHY, healthy_at=health.healthy_at or result.finished_at, log=log)
    in_start_period = (result.started_at - started_at).total_seconds() < check.start_period_s
    if health.state is HealthState.STARTING and in_start_period:
        return health.model_copy(update={"log": log})
    streak = health.failing_streak + 1
    state = HealthState.UNHEALTHY if streak >= check.retries else health.state
    return health.model_copy(update={"state": state, "failing_streak": streak, "log": log})


def is_news(recorded: Health | None, found: Health) -> bool:
    """Tell whether `found` is worth a write: a change, or after a while another output. Repetitions are not."""
    if recorded is None:
        return True
    verdict = (recorded.state, recorded.failing_streak, recorded.healthy_at)
    if verdict != (found.state, found.failing_streak, found.healthy_at):
        return True
    if not recorded.log or not found.log:
        return recorded.log != found.log
    before, after = recorded.log[-1], found.log[-1]
    waited_s = (after.finished_at - before.finished_at).total_seconds()
    return (before.exit_code, before.output) != (after.exit_code, after.output) and waited_s >= REPEATED_LOG_S


def choose_health(
    container: Container, check: Check | None, started_at: datetime | None, facts: HealthFacts | None
) -> Health | None:
    """Return the health to record for a live process that began at `started_at`; None without a check."""
    if check is None or started_at is None:
        return None
    recorded = container.status.health if container.status.started_at == started_at else None
    found = resume_health(container, check, started_at, facts)
    return found if is_news(recorded, found) else recorded


def make_health_condition(health: Health) -> Condition:
    """Return the condition Healthy."""
    last = _shorten(health.log[-1].output) if health.log else ""
    match health.state:
        case HealthState.HEALTHY:
            return make_condition("Healthy", Reason.HEALTHY, holds=True)
        case HealthState.UNHEALTHY:
            return make_condition("Healthy", Reason.UNHEALTHY, last, holds=False)
        case HealthState.STARTING:
            return make_condition("Healthy", Reason.STARTING, holds=False)


def _shorten(output: str) -> str:
    """Return what a check printed as one line that is no novel."""
    line = " ".join(output.split())
    return line if len(line) <= MOST_MESSAGE else f"{line[:MOST_MESSAGE]}…"


def note_health(before: Health | None, after: Health | None) -> tuple[Note, ...]:
    """Return the event of a change of state; starting is none."""
    if after is None or after.state is HealthState.STARTING:
        return ()
    if before is not None and before.state is after.state:
        return ()
    if after.state is HealthState.HEALTHY:
        return (Note(type=EventType.NORMAL, reason="Healthy", message="the health check passes"),)
    last = after.log[-1] if after.log else None
    words = f"{after.failing_streak} checks in a row have failed"
    if last is not None:
        words += f", the last with exit code {last.exit_code}"
        words += f": {_shorten(last.output)}" if last.output.strip() else ""
    return (Note(type=EventType.WARNING, reason="Unhealthy", message=words),)
