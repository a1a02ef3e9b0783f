"""What a call needs to have a batch decided: the time, the host, fresh chance."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from controller.model.changes import Decision, Snapshot
from controller.model.facts import HostFacts
from controller.plan.addresses import AddressPool
from controller.plan.admission import AdmissionContext, ApplyBatch, HostNeed, decide_apply, derive_host_need
from controller.ports import Clock, Committed, HostView, StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The way into the store: a batch is decided inside its transaction, with what is true of the host just now."""

    store: StateStore
    host: HostView
    clock: Clock
    pool: AddressPool

    async def read_context(self, need: HostNeed = HostNeed.NETWORKS) -> AdmissionContext:
        """Return what the decision may know besides the snapshot, of the host no more than needed."""
        host = HostFacts()
        if need is not HostNeed.NOTHING:
            host = await self.host.read(networks=need is HostNeed.NETWORKS)
        return AdmissionContext(now=self.clock.now(), host=host, pool=self.pool, seed=secrets.token_hex(16))

    async def prepare(self, batch: ApplyBatch) -> Callable[[Snapshot], Decision]:
        """Return the decision on a batch, to be taken on a snapshot."""
        context = await self.read_context(derive_host_need(draft.spec for draft in batch.drafts))
        return lambda snapshot: decide_apply(snapshot, batch, context)

    async def apply(self, batch: ApplyBatch, *, request_id: str = "") -> Committed:
        """Decide and write a batch in one transaction."""
        return await self.store.commit(await self.prepare(batch), request_id=request_id)
