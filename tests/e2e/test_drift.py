"""A random hand changes one thing after another, and two at once, while requests go on: everything comes back."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drift.damages import list_damages
from tests.drift.stage import Stage, running_machine, staged, take_foreign_picture

_SEED = 20261130
_ONE_BY_ONE, _PAIRS = 18, 4


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A machine with networks and containers on it, and foreign things beside them."""
    with running_machine(tmp_path) as machine, staged(machine) as stage:
        yield stage


def test_what_a_random_hand_changes_comes_back(stage: Stage) -> None:
    chance = random.Random(_SEED)
    damages = list(list_damages())
    for damage in chance.sample(damages, _ONE_BY_ONE):
        stage.inflict(damage)
        stage.wait_until_whole(damage.name)
    for _ in range(_PAIRS):
        pair = chance.sample(damages, 2)
        for damage in pair:
            stage.inflict(damage)
        stage.wait_until_whole(" with ".join(damage.name for damage in pair))
    assert take_foreign_picture() == stage.foreign
    assert stage.traffic.answered > 0
