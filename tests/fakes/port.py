"""What every fake port has in common."""

from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld


class FakePort:
    """A port: a world to act on, and what surrounds each call."""

    def __init__(self, world: FakeWorld, steps: Steps) -> None:
        self._world = world
        self._steps = steps
