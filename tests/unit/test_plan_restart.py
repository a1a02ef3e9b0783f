"""When a process that has ended is started again."""

import pytest

from controller.model.container import ContainerSpec
from controller.model.restart import RestartPolicy
from controller.plan.restart import Ending, choose_wait_s


def make_policy(text: str) -> RestartPolicy:
    return ContainerSpec.model_validate({"image": "a:1", "restart": text}).restart


@pytest.mark.parametrize(
    ("policy", "ending", "wait_s"),
    [
        ("no", (1, 5, 0, 0), None),
        ("always", (0, 5, 0, 0), 0),
        ("always", (0, 5, 1, 0), 0.1),
        ("always", (0, 5, 2, 0.1), 0.2),
        ("always", (0, 5, 9, 40), 60),
        ("always", (0, 5, 9, 60), 60),
        ("always", (0, 10, 9, 60), 0),
        ("unless-stopped", (0, 5, 0, 0), 0),
        ("on-failure", (0, 5, 0, 0), None),
        ("on-failure", (1, 5, 0, 0), 0),
        ("on-failure", (None, 5, 0, 0), 0),
        ("on-failure:2", (1, 5, 1, 0), 0.1),
        ("on-failure:2", (1, 5, 2, 0.1), None),
    ],
)
def test_waits(policy: str, ending: tuple[int | None, float, int, float], wait_s: float | None) -> None:
    exit_code, ran_s, restarts, backoff_s = ending
    found = Ending(exit_code=exit_code, ran_s=ran_s, restarts=restarts, backoff_s=backoff_s)
    assert choose_wait_s(make_policy(policy), found) == wait_s


def test_a_start_that_failed_is_never_tried_again_at_once() -> None:
    ending = Ending(exit_code=None, ran_s=0, restarts=0, backoff_s=0, failed_to_start=True)
    assert choose_wait_s(make_policy("always"), ending) == 0.1
