"""Pulls that image objects ask for: in the background, one for each object."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from controller.errors import HoldError
from controller.model.ids import Uid
from controller.model.image_reference import ImageReference, parse_reference
from controller.model.platforms import Platform, parse_platform
from controller.model.pulls import Pulled, PullFacts, PullState, PullWant, Report, Transfer
from controller.model.registries import Credential
from controller.ports import Hint, HintType

LOG = logging.getLogger(__name__)


class Source(Protocol):
    """Pulls one image; see `controller.images.pull`."""

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled: ...


class _Outcome(AbstractContextManager["_Outcome", bool]):
    """Keeps what a block raises: an error of one pull, whatever it is, is for the object that asked."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


@dataclass(slots=True)
class _Pull:
    facts: PullFacts
    task: asyncio.Task[None] | None = None
    transfers: dict[str, Transfer] = field(default_factory=dict)

    def look(self) -> PullFacts:
        """Return the facts with the bytes of now."""
        return replace(
            self.facts,
            done_bytes=sum(each.done_bytes for each in self.transfers.values()),
            total_bytes=sum(each.total_bytes for each in self.transfers.values()),
        )


class BackgroundPulls:
    """Implements `controller.ports.Pulls`, and `KernelEvents` for their ends; a block that begins and ends all of it."""

    def __init__(self, source: Source, *, now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now
        self._pulls: dict[Uid, _Pull] = {}
        self._tasks = asyncio.TaskGroup()
        self._hints: asyncio.Queue[Hint] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pull in self._pulls.values():
            if pull.task is not None:
                pull.task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def begin(self, want: PullWant) -> None:
        """See Pulls."""
        known = self._pulls.get(want.image)
        if known is not None and known.facts.want == want and known.facts.state is PullState.RUNNING:
            return
        await self.cancel(want.image)
        failures = known.facts.failures if known is not None and known.facts.want == want else 0
        pull = _Pull(PullFacts(want=want, state=PullState.RUNNING, failures=failures))
        self._pulls[want.image] = pull
        pull.task = self._tasks.create_task(self._carry_out(pull))

    async def find(self, image: Uid) -> PullFacts | None:
        """See Pulls."""
        pull = self._pulls.get(image)
        return pull.look() if pull is not None else None

    async def cancel(self, image: Uid) -> None:
        """See Pulls."""
        pull = self._pulls.pop(image, None)
        if pull is not None and pull.task is not None:
            pull.task.cancel()

    async def watch(self) -> AsyncIterator[Hint]:
        """See KernelEvents."""
        while True:
            yield await self._hints.get()

    def expect(self, uid: Uid) -> None:
        """See KernelEvents; containers are not pulled."""

    def disregard(self, uid: Uid) -> None:
        """See KernelEvents."""

    async def _carry_out(self, pull: _Pull) -> None:
        want = pull.facts.want
        with _Outcome() as outcome:
            pulled = await self._source.pull(
                parse_reference(want.reference).complete(),
                platform=parse_platform(want.platform) if want.platform else None,
                credential=None,
                report=lambda transfer: pull.transfers.update({transfer.digest: transfer}),
            )
            pull.facts = replace(pull.facts, state=PullState.DONE, failures=0, content=pulled.facts)
        if outcome.error is not None:
            self._note_failure(pull, outcome.error)
        self._hints.put_nowait(Hint(type=HintType.IMAGE, subject=want.image))

    def _note_failure(self, pull: _Pull, error: Exception) -> None:
        if isinstance(error, HoldError):
            message = error.message
        else:
            LOG.error("pull broke", extra={"reference": pull.facts.want.reference}, exc_info=error)
            message = "hold met an error that it has no name for: its log has the details"
        pull.facts = replace(
            pull.facts,
            state=PullState.FAILED,
            error=message,
            failures=pull.facts.failures + 1,
            failed_at=self._now(),
        )
