"""Desired state, as the loops and as the API see it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from controller.model.changes import Change, Decision, Event, EventType, Outcome, Snapshot
from controller.model.ids import Key, Revision, Uid
from controller.model.kinds import AnyStatus, Resource


class DesiredState(Protocol):
    """The store as the loops see it. Reads come from memory and never wait."""

    def snapshot(self) -> Snapshot:
        """Return every object at the present revision, deleted-but-not-gone ones (`deleted_at` set) included."""
        ...

    def revision(self) -> Revision:
        """Return the revision of the last write, that of the snapshot."""
        ...

    def watch(self, after: Revision) -> AsyncIterator[Change]:
        """Yield every change after `after` in order, then follow; Expired when compacted or too slow."""
        ...

    async def put_status(self, key: Key, uid: Uid, status: AnyStatus) -> None:
        """Record what was observed of the object; writes nothing when it is equal, or when `uid` is no longer there."""
        ...

    async def retire(self, key: Key, uid: Uid) -> None:
        """Ask for deletion on behalf of the object itself; nothing when `uid` is no longer there."""
        ...

    async def forget(self, key: Key, uid: Uid) -> None:
        """Remove a deleted object of which nothing is left; watchers see DELETED."""
        ...

    async def record(
        self, key: Key | None, uid: Uid | None, severity: EventType, reason: str, message: str
    ) -> None:
        """Append an event."""
        ...


class Admission(Protocol):
    """The way by which a loop has chosen what only admission can: names of volumes, host ports."""

    async def readmit(self, key: Key, uid: Uid) -> None:
        """Apply the object's present spec again on its manager's behalf; nothing when `uid` is no longer there.

        Raises what applying it raises.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The answer to a batch: outcomes in the order of the drafts and the objects after the write, by outcome."""

    revision: Revision
    outcomes: tuple[Outcome, ...]
    resources: tuple[Resource, ...]


class StateStore(Protocol):
    """The store as the API sees it."""

    def snapshot(self) -> Snapshot:
        """Return every object at the present revision."""
        ...

    def revision(self) -> Revision:
        """Return the revision of the last write."""
        ...

    async def commit(self, decide: Callable[[Snapshot], Decision], *, request_id: str = "") -> Committed:
        """Run `decide` on the present state and write what it decides in one durable transaction, or nothing at all.

        No other write comes between. A `request_id` seen before (within the last day) returns the first answer and
        decides nothing. Errors that `decide` raises pass through.
        """
        ...

    def watch(self, after: Revision) -> AsyncIterator[Change]:
        """As DesiredState.watch."""
        ...

    async def history(self, key: Key) -> tuple[Resource, ...]:
        """Return the kept generations of an object's spec, newest first; NotFound when there never was one."""
        ...

    async def events(self, after_sequence: int, limit: int) -> tuple[Event, ...]:
        """Return kept events with a higher sequence, oldest first."""
        ...


class EventFeed(Protocol):
    """Events as they come."""

    def watch_events(self, after_sequence: int) -> AsyncIterator[Event]:
        """Yield kept events with a higher sequence, then follow."""
        ...
