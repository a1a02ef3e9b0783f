"""What a call needs to have a batch decided: the time, the host, fresh chance."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.api.convert import draft_of
from controller.model.changes import Decision, Snapshot
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.kinds import Resource
from controller.plan.addresses import AddressPools
from controller.plan.admission import AdmissionContext, ApplyBatch, HostNeed, decide_apply, derive_host_need
from controller.plan.forecast.foresee import project
from controller.ports import Clock, Committed, HostView, StateStore


class Seeds:
    """Chance for decisions: each that may be written has its own, and the next one can be foreseen.

    So a plan names the very uids, and what derives from them, that the apply after it will make.
    """

    def __init__(self) -> None:
        self._next = secrets.token_hex(16)

    def peek(self) -> str:
        """Return what the next `take` will return."""
        return self._next

    def take(self) -> str:
        """Return a text that was never taken before."""
        taken, self._next = self._next, secrets.token_hex(16)
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The way into the store: a batch is decided inside its transaction, with what is true of the host just now."""

    store: StateStore
    host: HostView
    clock: Clock
    pools: AddressPools
    seeds: Seeds = field(default_factory=Seeds)

    async def read_context(self, need: HostNeed = HostNeed.NETWORKS) -> AdmissionContext:
        """Return what a decision may know besides the snapshot, of the host no more than needed."""
        return await self._read_context(need, self.seeds.take())

    async def _read_context(self, need: HostNeed, seed: str) -> AdmissionContext:
        host = HostFacts()
        if need is not HostNeed.NOTHING:
            host = await self.host.read(networks=need is HostNeed.NETWORKS)
        return AdmissionContext(now=self.clock.now(), host=host, pools=self.pools, seed=seed)

    async def foresee(self, batch: ApplyBatch) -> Decision:
        """Return what applying the batch now would come to; nothing is written."""
        context = await self._read_context(_derive_need(batch), self.seeds.peek())
        return decide_apply(self.store.snapshot(), batch, context)

    def project(self, decision: Decision) -> list[Resource]:
        """Return the objects as they would be after a foreseen decision, in the order of its outcomes."""
        projected = project(self.store.snapshot(), decision.writes, self.clock.now())
        return [projected[outcome.key] for outcome in decision.outcomes]

    async def prepare(self, batch: ApplyBatch) -> Callable[[Snapshot], Decision]:
        """Return the decision on a batch, to be taken on a snapshot and written."""
        context = await self.read_context(_derive_need(batch))
        return lambda snapshot: decide_apply(snapshot, batch, context)

    async def apply(self, batch: ApplyBatch, *, request_id: str = "") -> Committed:
        """Decide and write a batch in one transaction."""
        return await self.store.commit(await self.prepare(batch), request_id=request_id)

    async def readmit(self, key: Key, uid: Uid) -> None:
        """See Admission."""
        context = await self.read_context()

        def decide(snapshot: Snapshot) -> Decision:
            present = snapshot.get(key)
            if present is None or present.metadata.uid != uid or present.metadata.deleted_at is not None:
                return Decision(writes=(), outcomes=())
            batch = ApplyBatch(drafts=(draft_of(present),), manager=present.metadata.manager)
            return decide_apply(snapshot, batch, context)

        await self.store.commit(decide)


def _derive_need(batch: ApplyBatch) -> HostNeed:
    return derive_host_need(draft.spec for draft in batch.drafts)
