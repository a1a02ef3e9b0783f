"""How a process is asked to end: as its spec says, or as the latest stop asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.model.container import Container, StopOrder
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.resource import Condition, ConditionStatus
from controller.plan.conditions import Reason
from controller.plan.container.actions import SignalProcess
from controller.plan.container.ending import plan_stop
from controller.plan.container.inputs import ContainerDesired, ContainerObserved

UID = Uid("a" * 32)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LAYOUT = Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="hold")


def _plan(
    order: StopOrder | None, *, asked_s_ago: float | None = None, reason: Reason = Reason.REQUESTED
) -> tuple[str, float | None]:
    """Return the signal that is sent, if one is, and the seconds until the next look; the process is run 2."""
    container = Container.model_validate(
        {
            "metadata": {"name": "web", "uid": UID},
            "spec": {"rootfs": "/srv", "stopSignal": "SIGINT", "stopGracePeriod": 10},
            "assigned": {"stop": order},
        }
    )
    if asked_s_ago is not None:
        stopping = Condition(
            type="Stopping",
            status=ConditionStatus.TRUE,
            reason=reason,
            last_transition_at=NOW - timedelta(seconds=asked_s_ago),
        )
        status = container.status.model_copy(update={"conditions": (stopping,)})
        container = container.model_copy(update={"status": status})
    process = ProcessFacts(uid=UID, state=ProcessState.RUNNING, pid=7, run=2, spec_hash="x")
    desired = ContainerDesired(container=container, spec_hash="x", layout=LAYOUT)
    plan = plan_stop(desired, ContainerObserved(process=process), reason, NOW)
    signals = [action.signal for action in plan.actions if isinstance(action, SignalProcess)]
    return " ".join(signals), plan.requeue_after_s


@pytest.mark.parametrize(
    ("order", "asked_s_ago", "signal", "wait_s"),
    [
        (None, None, "SIGINT", 10),
        (StopOrder(run=2, signal="SIGQUIT", grace_period_s=60), None, "SIGQUIT", 60),
        (StopOrder(run=2, signal="SIGQUIT"), None, "SIGQUIT", 10),
        (StopOrder(run=2, grace_period_s=0), None, "SIGKILL", 1),
        (StopOrder(run=1, signal="SIGQUIT", grace_period_s=60), None, "SIGINT", 10),
        (StopOrder(run=2, grace_period_s=60), 20, "", 40),
        (StopOrder(run=2, grace_period_s=5), 6, "SIGKILL", 1),
        (None, 4, "", 6),
    ],
)
def test_an_order_counts_for_its_run(
    order: StopOrder | None, asked_s_ago: float | None, signal: str, wait_s: float
) -> None:
    assert _plan(order, asked_s_ago=asked_s_ago) == (signal, wait_s)


def test_a_deletion_does_not_wait_for_an_earlier_order() -> None:
    order = StopOrder(run=2, signal="SIGQUIT", grace_period_s=600)
    assert _plan(order, asked_s_ago=11, reason=Reason.DELETED) == ("SIGKILL", 1)
