"""Health checks: which applies, when it is due, what its outcome means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.model.container import Container
from controller.model.health import (
    ExecProbe,
    Health,
    Healthcheck,
    HealthFacts,
    HealthState,
    HttpProbe,
    ProbeOutcome,
    ProbeResult,
)
from controller.model.image import ImageConfig
from controller.plan.container.health import (
    Check,
    advance_health,
    choose_health,
    derive_check,
    find_probed_run,
    is_news,
    make_health_condition,
    make_result,
    note_health,
    plan_health,
    resume_health,
)

START = datetime(2026, 1, 2, tzinfo=UTC)
TRUE = ExecProbe(arguments=("true",))
CHECK = Check(probe=TRUE, interval_s=10, start_period_s=60, start_interval_s=2, retries=3)
STARTING, HEALTHY, UNHEALTHY = HealthState


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def result(seconds: float, exit_code: int, output: str = "") -> ProbeResult:
    return ProbeResult(
        started_at=at(seconds), finished_at=at(seconds + 1), exit_code=exit_code, output=output
    )


def check_again(check: Check, outcomes: list[tuple[float, int]], health: Health | None = None) -> Health:
    """Return the health after checks at these seconds with these exit codes."""
    health = health or Health()
    for seconds, exit_code in outcomes:
        health = advance_health(check, health, START, result(seconds, exit_code))
    return health


def make_container(health: Health | None = None, status: dict[str, object] | None = None) -> Container:
    fields = {"phase": "Running", "pid": 7, "startedAt": START, "health": health, **(status or {})}
    return Container.model_validate(
        {"metadata": {"name": "web", "uid": "a" * 32}, "spec": {"image": "web:1"}, "status": fields}
    )


@pytest.mark.parametrize(
    ("own", "image", "check"),
    [
        (None, None, None),
        (None, {}, None),
        ({"test": ["NONE"]}, {"test": "x"}, None),
        ({"interval": "5s"}, None, None),
        ({"test": ["CMD", "true"]}, None, Check(probe=TRUE)),
        (
            {"test": "a | b"},
            None,
            Check(probe=ExecProbe(arguments=("/bin/sh", "-c", "a | b"))),
        ),
        (
            {"interval": "5s", "retries": 1},
            {"test": ["CMD", "true"], "interval": "1m", "timeout": "2s", "startPeriod": "3s"},
            Check(probe=TRUE, interval_s=5, timeout_s=2, start_period_s=3, retries=1),
        ),
        (
            {"http": {"port": 80}, "restart": True},
            {"test": ["CMD", "true"], "retries": 9},
            Check(probe=HttpProbe(port=80), retries=9, restart=True),
        ),
        ({"test": ["CMD", "true"], "startInterval": "1s"}, None, Check(probe=TRUE, start_interval_s=1)),
    ],
)
def test_which_check_applies(
    own: dict[str, object] | None, image: dict[str, object] | None, check: Check | None
) -> None:
    wanted = Healthcheck.model_validate(own) if own is not None else None
    config = ImageConfig.model_validate({"healthcheck": image}) if image is not None else None
    assert derive_check(wanted, config) == check


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"test": ["true"]}, "write CMD, CMD-SHELL or NONE first"),
        ({"test": ["CMD"]}, "needs a program"),
        ({"test": ["CMD-SHELL", "a", "b"]}, "needs one text"),
        ({"test": ["NONE", "x"]}, "takes no arguments"),
        ({"test": "x", "http": {"port": 80}}, "test and http are given"),
        ({"tcp": {"port": 0}}, "greater than or equal to 1"),
        ({"http": {"port": 80, "path": "index"}}, "match pattern"),
        ({"http": {"port": 80, "headers": {"A": "x\r\nB: y"}}}, "no header can carry"),
        ({"interval": "0.5ms"}, "less than 1ms"),
        ({"startInterval": "1us"}, "startInterval is less than 1ms"),
        ({"interval": -1}, "greater than or equal to 0"),
        ({"retries": -1}, "greater than or equal to 0"),
    ],
)
def test_bad_checks_are_refused(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Healthcheck.model_validate(wrong)


@pytest.mark.parametrize(
    ("outcomes", "now_s", "wait_s"),
    [
        ([], 0, 2),
        ([], 1.5, 0.5),
        ([], 70, 0),
        ([(2, 1)], 3, 2),
        ([(2, 0)], 3, 10),
        ([(2, 0)], 9, 4),
        ([(58, 1)], 59, 2),
        ([(59, 1)], 60, 10),
        ([(2, 0)], -50, 10),
        ([(2.3, 0)], 4, 9),
    ],
)
def test_when_the_next_check_is_due(outcomes: list[tuple[float, int]], now_s: float, wait_s: float) -> None:
    health = check_again(CHECK, outcomes)
    assert plan_health(CHECK, health, START, at(now_s)) == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("outcomes", "state", "streak"),
    [
        ([], STARTING, 0),
        ([(70, 1)], STARTING, 1),
        ([(70, 1), (71, 1)], STARTING, 2),
        ([(70, 1), (71, 1), (72, 1)], UNHEALTHY, 3),
        ([(1, 1), (2, 1), (3, 1), (4, 1)], STARTING, 0),
        ([(1, 0), (2, 1), (3, 1)], HEALTHY, 2),
        ([(1, 0), (2, 1), (3, 1), (4, -1)], UNHEALTHY, 3),
        ([(70, 1), (71, 1), (72, 0)], HEALTHY, 0),
        ([(70, 1), (71, 1), (72, 1), (73, 1)], UNHEALTHY, 4),
        ([(70, 1), (71, 1), (72, 1), (73, 0)], HEALTHY, 0),
    ],
)
def test_what_outcomes_mean(outcomes: list[tuple[float, int]], state: HealthState, streak: int) -> None:
    health = check_again(CHECK, outcomes)
    assert (health.state, health.failing_streak) == (state, streak)
    passed = [seconds for seconds, exit_code in outcomes if exit_code == 0]
    assert health.healthy_at == (at(passed[0] + 1) if passed else None)
    assert [each.started_at for each in health.log] == [at(seconds) for seconds, _ in outcomes[-5:]]


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(-1, 2)), max_size=30))
def test_only_so_many_failures_in_a_row_make_unhealthy(outcomes: list[tuple[float, int]]) -> None:
    health = check_again(CHECK, sorted(outcomes))
    assert (health.state is UNHEALTHY) == (health.failing_streak >= CHECK.retries)
    assert len(health.log) <= 5
    assert 0 <= plan_health(CHECK, health, START, at(100)) <= CHECK.interval_s


def test_output_is_cut() -> None:
    cut = make_result(ProbeOutcome(exit_code=1, output="é" * 3000), at(1), at(0))
    assert cut.output == "é" * 2048
    assert cut.finished_at == cut.started_at


def test_repetitions_are_no_news() -> None:
    first = check_again(CHECK, [(1, 0)])
    assert is_news(None, first)
    assert is_news(Health(), first)
    assert not is_news(first, check_again(CHECK, [(50, 0)], first))
    assert is_news(first, check_again(CHECK, [(2, 1)], first))
    chatty = advance_health(CHECK, first, START, result(5, 0, "5 users"))
    assert not is_news(first, chatty)
    assert is_news(first, advance_health(CHECK, first, START, result(40, 0, "6 users")))


def test_the_state_outlives_the_daemon() -> None:
    left = check_again(CHECK, [(70, 1), (71, 1)])
    container = make_container(left)
    assert resume_health(container, CHECK, START, None) == left
    assert choose_health(container, CHECK, START, None) == left
    assert resume_health(container, CHECK, at(5), None) == Health()


def test_another_check_and_another_run_begin_anew() -> None:
    found = check_again(CHECK, [(1, 0)])
    container = make_container(found)
    facts = HealthFacts(started_at=START, probe=TRUE, health=found)
    other = Check(probe=HttpProbe(port=80))
    assert choose_health(container, CHECK, START, facts) == found
    assert choose_health(container, other, START, facts) == Health()
    assert choose_health(container, CHECK, at(9), facts) == Health()
    assert choose_health(container, None, START, facts) is None


@pytest.mark.parametrize(
    ("status", "checked"),
    [({}, True), ({"phase": "Paused"}, False), ({"phase": "Stopping"}, False), ({"pid": 0}, False)],
)
def test_what_is_checked(status: dict[str, object], checked: bool) -> None:
    assert find_probed_run(make_container(status=status)) == (START if checked else None)


def test_conditions_and_events() -> None:
    healthy = check_again(CHECK, [(1, 0)])
    unhealthy = advance_health(
        Check(probe=TRUE, retries=1), healthy, START, result(80, 7, "no\n" + "x" * 300)
    )
    assert make_health_condition(Health()).status == "False"
    assert make_health_condition(healthy).status == "True"
    assert make_health_condition(unhealthy).message.startswith("no xxx")
    assert note_health(None, Health()) == ()
    assert note_health(healthy, healthy) == note_health(healthy, None) == ()
    assert [note.reason for note in note_health(Health(), healthy)] == ["Healthy"]
    (note,) = note_health(healthy, unhealthy)
    assert note.reason == "Unhealthy"
    assert note.message.startswith("1 checks in a row have failed, the last with exit code 7: no xxx")
    assert len(note.message) < 300
