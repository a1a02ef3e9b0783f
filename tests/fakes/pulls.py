"""A registry of a fake machine, and pulls from it."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.pulls import PullFacts, PullState, PullWant
from controller.ports import HintType
from tests.fakes.port import FakePort
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld

PULL_S = 3.0
LAYER_BYTES = 8_000_000


class FakePulls(FakePort):
    """See Pulls. The world's registry is a text by reference; what it says decides the digest."""

    def __init__(self, world: FakeWorld, steps: Steps) -> None:
        super().__init__(world, steps)
        self._pulls: dict[Uid, PullFacts] = {}

    async def begin(self, want: PullWant) -> None:
        call = await self._steps.begin("pulls.begin")
        known = self._pulls.get(want.image)
        same = known is not None and known.want == want
        if known is None or not same or known.state is not PullState.RUNNING:
            failures = known.failures if known is not None and same else 0
            facts = PullFacts(want=want, state=PullState.RUNNING, failures=failures, total_bytes=LAYER_BYTES)
            self._pulls[want.image] = facts
            asyncio.get_running_loop().call_later(PULL_S, self._end, facts)
        await self._steps.end(call)

    async def find(self, image: Uid) -> PullFacts | None:
        call = await self._steps.begin("pulls.find")
        await self._steps.end(call)
        return self._pulls.get(image)

    async def cancel(self, image: Uid) -> None:
        call = await self._steps.begin("pulls.cancel")
        self._pulls.pop(image, None)
        await self._steps.end(call)

    def _end(self, begun: PullFacts) -> None:
        image = begun.want.image
        if self._pulls.get(image) is not begun:
            return
        content = self._world.registry.get(begun.want.reference)
        if content is None:
            self._pulls[image] = replace(
                begun,
                state=PullState.FAILED,
                error=f"{begun.want.reference} does not exist in the registry",
                failures=begun.failures + 1,
                failed_at=datetime.fromtimestamp(self._world.now_s(), UTC),
            )
        else:
            facts = make_content(content + begun.want.platform)
            self._world.images[facts.id] = facts
            self._pulls[image] = replace(begun, state=PullState.DONE, failures=0, content=facts)
        self._world.hint(HintType.IMAGE, image)


def make_content(text: str) -> ImageFacts:
    """Return an image that is told from others by its text."""

    def digest(part: str) -> str:
        return f"sha256:{hashlib.sha256(f'{part} {text}'.encode()).hexdigest()}"

    return ImageFacts(
        id=digest("config"),
        manifest_digest=digest("manifest"),
        config=ImageConfig(),
        layers=(digest("layer"),),
        size_bytes=len(text),
    )
