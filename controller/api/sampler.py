"""One sampler for everybody who watches what containers use: `Sampler(snapshot=store.snapshot, gauges=..., clock=...)`.

Nothing runs while nobody watches. Of those who wait for the next moment one takes the samples and all get them; when
that one goes away meanwhile, the next takes its place.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.api.containers import is_running, uid_of
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.ids import Uid
from controller.plan.stats import UsageSample, derive_cpu_percent
from controller.ports import Clock
from controller.ports.gauges import Gauges

INTERVAL_S = 1.0
FIRST_INTERVAL_S = 0.5
"""Between the first two samples: shorter, as somebody waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything at one moment, by uid; moments are numbered from 1."""

    number: int
    at: datetime
    samples: Mapping[Uid, UsageSample] = field(default_factory=dict)
    cpu_percents: Mapping[Uid, float] = field(default_factory=dict)


class Sampler:
    """Takes samples of every running container while somebody asks for them."""

    def __init__(self, *, snapshot: Callable[[], Snapshot], gauges: Gauges, clock: Clock) -> None:
        self._snapshot = snapshot
        self._gauges = gauges
        self._clock = clock
        self._turn = asyncio.Lock()
        self._moment = Moment(number=0, at=clock.now())
        self._samples: dict[Uid, UsageSample] = {}
        self._taken_at_s = float("-inf")

    async def wait_for_moment(self, after: int | None) -> Moment:
        """Return the moment that comes after the one of that number; None takes the present one if it is fresh."""
        async with self._turn:
            moment, age_s = self._moment, self._measure_age()
            if moment.number and (age_s < INTERVAL_S if after is None else moment.number > after):
                return moment
            if age_s > 2 * INTERVAL_S:
                await self._take_samples()
                await asyncio.sleep(FIRST_INTERVAL_S)
            else:
                await asyncio.sleep(max(0.0, INTERVAL_S - age_s))
            before = self._samples
            await self._take_samples()
            percents = {uid: derive_cpu_percent(before.get(uid), each) for uid, each in self._samples.items()}
            self._moment = Moment(
                number=moment.number + 1,
                at=self._clock.now(),
                samples=self._samples,
                cpu_percents=percents,
            )
            return self._moment

    def _measure_age(self) -> float:
        return asyncio.get_running_loop().time() - self._taken_at_s

    async def _take_samples(self) -> None:
        running = [
            uid_of(each)
            for each in self._snapshot().values()
            if isinstance(each, Container) and is_running(each)
        ]
        self._taken_at_s = asyncio.get_running_loop().time()
        self._samples = {sample.uid: sample for sample in await self._gauges.sample(running)}
