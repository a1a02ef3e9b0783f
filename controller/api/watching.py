"""Streams of changes and of events."""

from collections.abc import AsyncIterator

from controller.api.convert import to_proto, to_timestamp
from controller.api.listing import check_kind, read_selector, select
from controller.api.v1 import state_pb2
from controller.model.changes import Change, ChangeType, Event
from controller.model.ids import Key, Revision
from controller.model.image import complete_image_name
from controller.model.kinds import key_of
from controller.model.selectors import Requirement, is_selected
from controller.ports import EventFeed, StateStore

SYNCED = "SYNCED"


async def watch_resources(
    store: StateStore, request: state_pb2.WatchRequest
) -> AsyncIterator[state_pb2.WatchResponse]:
    """Yield changes after the revision asked for; without one, the present state, SYNCED, then changes.

    An object that begins or ceases to match the selector shows up as ADDED or DELETED, as kubectl's watch does. A watch
    that goes on from a revision does not know what matched then: it may tell of a DELETED that the client never saw.
    """
    selector = read_selector(request.label_selector)
    check_kind(request.kind)
    name = complete_image_name(request.name) if request.kind == "Image" and request.name else request.name
    matched: dict[Key, bool] = {}
    if request.HasField("after_revision"):
        after = Revision(request.after_revision)
    else:
        after = store.revision()
        for resource in select(store.snapshot(), request.kind, selector):
            if name in ("", resource.metadata.name):
                matched[key_of(resource)] = True
                yield state_pb2.WatchResponse(
                    type=ChangeType.ADDED, revision=resource.metadata.revision, resource=to_proto(resource)
                )
        yield state_pb2.WatchResponse(type=SYNCED, revision=after)
    async for change in store.watch(after):
        key = key_of(change.resource)
        if request.kind not in ("", key.kind) or name not in ("", key.name):
            continue
        before = matched.get(key, request.HasField("after_revision"))
        matched[key] = is_selected(change.resource.metadata.labels, selector)
        if change.type is ChangeType.DELETED:
            del matched[key]
        answer = _filter(change, selector, before=before)
        if answer is not None:
            yield answer


def _filter(
    change: Change, selector: tuple[Requirement, ...], *, before: bool
) -> state_pb2.WatchResponse | None:
    """Return what a watcher with the selector is told; `before` tells whether the object matched until now."""
    kind = change.type
    if not is_selected(change.resource.metadata.labels, selector):
        if not before or kind is ChangeType.ADDED:
            return None
        kind = ChangeType.DELETED
    elif kind is ChangeType.MODIFIED and not before:
        kind = ChangeType.ADDED
    return state_pb2.WatchResponse(type=kind, revision=change.revision, resource=to_proto(change.resource))


def convert_event(event: Event) -> state_pb2.Event:
    """Return the message for an event."""
    key = state_pb2.Key(kind=event.key.kind, name=event.key.name) if event.key is not None else None
    return state_pb2.Event(
        sequence=event.sequence,
        at=to_timestamp(event.at),
        type=event.type,
        reason=event.reason,
        message=event.message,
        key=key,
        uid=event.uid or "",
    )


async def watch_events(
    feed: EventFeed, store: StateStore, key: Key | None, after: int | None
) -> AsyncIterator[state_pb2.WatchEventsResponse]:
    """Yield the events of an object, or all, after a sequence; only new ones when `after` is None."""
    if after is None:
        kept = await store.events(0, 1 << 30)
        after = kept[-1].sequence if kept else 0
    async for event in feed.watch_events(after):
        if key in (None, event.key):
            yield state_pb2.WatchEventsResponse(event=convert_event(event))
