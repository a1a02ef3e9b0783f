"""When a process that has ended is started again."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@dataclass
class RestartManager:
    """Docker's rules (moby, restartmanager), stated on their own: waits double from 100 ms to a minute, and a run of ten
    seconds starts them over; on-failure counts every restart.
    """

    policy: RestartPolicy
    wait_s: float = 0.0
    restarts: int = 0

    def decide(self, exit_code: int, ran_s: float) -> float | None:
        """Return the wait before the restart, None when there is none."""
        if ran_s >= 10:
            self.wait_s = 0
        self.wait_s = 0.1 if self.wait_s == 0 else min(60.0, 2 * self.wait_s)
        match self.policy.name:
            case "on-failure":
                most = self.policy.max_retries
                goes_on = exit_code != 0 and (most == 0 or self.restarts < most)
            case name:
                goes_on = name != "no"
        self.restarts += goes_on
        return self.wait_s if goes_on else None


@given(
    policy=st.sampled_from(["no", "always", "unless-stopped", "on-failure", "on-failure:3"]),
    runs=st.lists(st.tuples(st.sampled_from([0, 1, 137]), st.sampled_from([0.0, 2.0, 9.9, 10.0, 500.0]))),
)
def test_the_same_is_restarted_as_with_docker(policy: str, runs: list[tuple[int, float]]) -> None:
    """But the first restart in a row comes at once, so that every further wait is the one that Docker has before it."""
    docker = RestartManager(make_policy(policy))
    restarts, backoff_s = 0, 0.0
    for exit_code, ran_s in runs:
        found = Ending(exit_code=exit_code, ran_s=ran_s, restarts=restarts, backoff_s=backoff_s)
        wait_s, docker_s = choose_wait_s(docker.policy, found), docker.decide(exit_code, ran_s)
        assert (wait_s is None) == (docker_s is None)
        if wait_s is None or docker_s is None:
            return
        least_s = 0.0 if docker_s == 0.1 else docker_s / 2
        assert least_s - 1e-9 <= wait_s <= docker_s
        restarts, backoff_s = restarts + 1, wait_s
