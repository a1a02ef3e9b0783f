"""StateService: writing, planning and reading desired state."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from controller.api.admission import Gate
from controller.api.convert import collect_drafts, to_proto, to_timestamp
from controller.api.listing import Lists, check_kind, read_selector, select
from controller.api.status import reported
from controller.api.v1 import state_pb2, state_pb2_grpc
from controller.api.watching import convert_event, watch_events, watch_resources
from controller.errors import Invalid, NotFound, Violation
from controller.model.changes import Decision, Outcome, Snapshot
from controller.model.ids import KINDS, Key
from controller.model.image import complete_image_name
from controller.plan.admission import (
    CLI_MANAGER,
    ApplyBatch,
    Rollback,
    check_idle,
    decide_delete,
    decide_rollback,
    forget_drivers,
    list_anonymous_volumes,
)
from controller.ports import EventFeed, Forecaster, Sources

_MOST_EVENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StateParts:
    """What the service needs besides the gate."""

    events: EventFeed
    forecaster: Forecaster
    sources: Sources


def read_key(message: state_pb2.Key) -> Key:
    """Return a key, an image's with its tag; Invalid when the kind is unknown."""
    check_kind(message.kind or "none")
    kind = next(kind for kind in KINDS if kind == message.kind)
    return Key(kind, complete_image_name(message.name) if kind == "Image" else message.name)


def _convert_key(key: Key) -> state_pb2.Key:
    return state_pb2.Key(kind=key.kind, name=key.name)


def convert_outcome(outcome: Outcome) -> state_pb2.Outcome:
    """Return the message for an outcome."""
    changes = [state_pb2.FieldChange(path=each.path, old=each.old, new=each.new) for each in outcome.changes]
    return state_pb2.Outcome(
        key=_convert_key(outcome.key), verb=outcome.verb, changes=changes, because=outcome.because
    )


class StateService(state_pb2_grpc.StateServiceServicer):
    """Implements hold.v1.StateService."""

    def __init__(self, *, gate: Gate, parts: StateParts) -> None:
        self._gate = gate
        self._parts = parts
        self._lists = Lists()

    async def Apply(self, request: state_pb2.ApplyRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            batch = ApplyBatch(
                drafts=collect_drafts(list(request.resources)),
                manager=request.manager or CLI_MANAGER,
                force=request.force,
                prune=request.prune,
                create_volumes=request.create_volumes,
                create_only=request.create_only,
            )
            if request.dry_run:
                decision = await self._gate.foresee(batch)
                return state_pb2.ApplyResponse(
                    revision=self._gate.store.revision(),
                    outcomes=map(convert_outcome, decision.outcomes),
                    resources=map(to_proto, self._gate.project(decision)),
                )
            committed = await self._gate.apply(batch, request_id=request.request_id)
            return state_pb2.ApplyResponse(
                revision=committed.revision,
                outcomes=map(convert_outcome, committed.outcomes),
                resources=map(to_proto, committed.resources),
            )

    async def Plan(self, request: state_pb2.PlanRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            batch = ApplyBatch(
                drafts=collect_drafts(list(request.resources)),
                manager=request.manager or CLI_MANAGER,
                force=request.force,
                prune=request.prune,
                deletions=tuple(map(read_key, request.deletions)),
            )
            decision = await self._gate.foresee(batch)
            actions = await self._parts.forecaster.forecast(decision)
            return state_pb2.PlanResponse(
                outcomes=map(convert_outcome, decision.outcomes),
                actions=[
                    state_pb2.ObjectActions(key=_convert_key(key) if key else None, actions=lines)
                    for key, lines in actions
                ],
            )

    async def Get(self, request: state_pb2.GetRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            key = read_key(request.key)
            found = self._gate.store.snapshot().get(key)
            if found is None:
                raise NotFound(f"{key} does not exist")
            return state_pb2.GetResponse(resource=to_proto(found))

    async def List(self, request: state_pb2.ListRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            if request.page_token:
                page = self._lists.next(request.page_token, request.page_size)
            else:
                store = self._gate.store
                found = select(store.snapshot(), request.kind, read_selector(request.label_selector))
                page = self._lists.first(found, store.revision(), request.page_size)
            return state_pb2.ListResponse(
                resources=map(to_proto, page.resources),
                next_page_token=page.next_token,
                revision=page.revision,
            )

    async def Watch(self, request: state_pb2.WatchRequest, context: Any) -> AsyncIterator[Any]:
        """See the proto."""
        async with reported(context):
            async for answer in watch_resources(self._gate.store, request):
                yield answer

    async def Delete(self, request: state_pb2.DeleteRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            keys = tuple(map(read_key, request.keys))
            grace_period_s = request.grace_period_s if request.HasField("grace_period_s") else None

            def decide(snapshot: Snapshot) -> Decision:
                if request.idle_only:
                    check_idle(snapshot, keys)
                volumes = list_anonymous_volumes(snapshot, keys) if request.anonymous_volumes else ()
                decision = decide_delete(
                    snapshot,
                    (*keys, *volumes),
                    manager=request.manager or CLI_MANAGER,
                    force=request.force,
                    cascade=request.cascade,
                    grace_period_s=grace_period_s,
                )
                return forget_drivers(snapshot, decision) if request.forget_drivers else decision

            store = self._gate.store
            if request.dry_run:
                outcomes, revision = decide(store.snapshot()).outcomes, store.revision()
            else:
                committed = await store.commit(decide, request_id=request.request_id)
                outcomes, revision = committed.outcomes, committed.revision
            return state_pb2.DeleteResponse(revision=revision, outcomes=map(convert_outcome, outcomes))

    async def History(self, request: state_pb2.HistoryRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            kept = await self._gate.store.history(read_key(request.key))
            return state_pb2.HistoryResponse(resources=map(to_proto, kept))

    async def Rollback(self, request: state_pb2.RollbackRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            key = read_key(request.key)
            store = self._gate.store
            stored = store.snapshot().get(key)
            rollback = Rollback(
                key=key,
                history=await store.history(key),
                generation=request.generation,
                manager=stored.metadata.manager if stored is not None else CLI_MANAGER,
                force=request.force,
            )
            admission = await self._gate.read_context()
            committed = await store.commit(lambda snapshot: decide_rollback(snapshot, rollback, admission))
            return state_pb2.RollbackResponse(
                outcome=convert_outcome(committed.outcomes[0]), resource=to_proto(committed.resources[0])
            )

    async def ListEvents(self, request: state_pb2.ListEventsRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            key = read_key(request.key) if request.HasField("key") else None
            kept = await self._gate.store.events(request.after_sequence, _MOST_EVENTS * 100)
            found = [event for event in kept if key in (None, event.key) and request.uid in ("", event.uid)]
            if request.limit < 0:
                raise Invalid.of([Violation(field="limit", message="can't be negative")])
            latest = found[-(request.limit or _MOST_EVENTS) :]
            return state_pb2.ListEventsResponse(events=map(convert_event, latest))

    async def WatchEvents(
        self,
        request: state_pb2.WatchEventsRequest,
        context: Any,
    ) -> AsyncIterator[Any]:
        """See the proto."""
        async with reported(context):
            key = read_key(request.key) if request.HasField("key") else None
            after = request.after_sequence if request.HasField("after_sequence") else None
            async for answer in watch_events(self._parts.events, self._gate.store, key, after):
                yield answer

    async def ListSources(self, request: state_pb2.ListSourcesRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return state_pb2.ListSourcesResponse(
                sources=[
                    state_pb2.Source(
                        name=source.name,
                        path=source.path,
                        state="Error" if source.error else "Synced",
                        message=source.error,
                        objects=source.objects,
                        applied_at=to_timestamp(source.applied_at),
                    )
                    for source in self._parts.sources.sources()
                ]
            )
