"""The store: the ports DesiredState, StateStore and EventFeed over one database.

Reads come from an immutable version of all objects in memory. Writes go through the writer's thread. Watchers read from
the newest changes in memory, from the log in the database when they are further behind, and are told to list again
(Expired) when the log has forgotten what they need.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.errors import Expired, NotFound
from controller.model.changes import Change, Decision, Event, EventType, Snapshot
from controller.model.ids import Key, Revision, Uid
from controller.model.kinds import AnyStatus, Resource
from controller.plan.admission import list_anonymous_volumes
from controller.ports import Clock, Committed
from controller.store.feed import Feed
from controller.store.ledger import Ledger
from controller.store.limits import StoreLimits
from controller.store.queries import Counters, list_changes, list_events, list_history
from controller.store.versions import Version
from controller.store.writer import Turn, Writer

_PAGE = 512


class SqlStore:
    """Made by `open_store`; for the event loop that opened it."""

    def __init__(self, url: str, clock: Clock, limits: StoreLimits) -> None:
        self._limits = limits
        self._writer = Writer(url, clock, limits, self._publish)
        self._version: Version
        self._counters: Counters
        self._changes: Feed[Change]
        self._events: Feed[Event]

    async def open(self) -> None:
        """Load the state; must come first, once."""
        start = await self._writer.open()
        self._version, self._counters = start.version, start.counters
        self._changes = Feed(start.counters.revision, self._limits.recent)
        self._events = Feed(start.counters.event, self._limits.recent)

    async def close(self) -> None:
        """Finish what was asked for, then refuse."""
        await self._writer.close()

    def _publish(self, turn: Turn) -> None:
        """Make a turn visible: to readers, to watchers, to those who asked for it, in this order."""
        self._version, self._counters = turn.version, turn.counters
        self._changes.publish(turn.changes)
        self._events.publish(turn.events)
        for job in turn.jobs:
            job.answer()

    # --- reading ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """See StateStore."""
        return self._version

    def revision(self) -> Revision:
        """See StateStore."""
        return self._counters.revision

    async def history(self, key: Key) -> tuple[Resource, ...]:
        """See StateStore."""
        found = await self._writer.read(lambda connection: list_history(connection, key))
        if not found:
            raise NotFound(f"{key} has no history: it never was, or was forgotten long ago")
        return tuple(found)

    async def events(self, after_sequence: int, limit: int) -> tuple[Event, ...]:
        """See StateStore."""
        recent = self._events.list_after(after_sequence, limit)
        if recent is None:
            recent = await self._writer.read(
                lambda connection: list_events(connection, after_sequence, limit)
            )
        return tuple(recent)

    async def watch(self, after: Revision) -> AsyncIterator[Change]:
        """See DesiredState. A watcher may lag behind by as many changes as the log keeps."""
        if after > self._counters.revision:
            raise Expired(
                f"revision {after} is not there: the newest is {self._counters.revision}; list again"
            )
        place = after
        while True:
            page = self._changes.list_after(place, _PAGE)
            if page is None:
                page = await self._read_changes(place)
            for change in page:
                yield change
                place = change.revision
            if not page:
                await self._changes.wait(place)

    async def _read_changes(self, after: Revision) -> list[Change]:
        found = await self._writer.read(lambda connection: list_changes(connection, after, _PAGE))
        if after < self._counters.compacted:
            raise Expired(
                f"revision {after} is compacted: the oldest is {self._counters.compacted}; list again"
            )
        return list(found)

    async def watch_events(self, after_sequence: int) -> AsyncIterator[Event]:
        """See EventFeed."""
        place = after_sequence
        while True:
            for event in await self.events(place, _PAGE):
                yield event
                place = event.sequence
            await self._events.wait(place)

    # --- writing ---------------------------------------------------------------------------------------------------

    async def commit(self, decide: Callable[[Snapshot], Decision], *, request_id: str = "") -> Committed:
        """See StateStore."""
        return await self._writer.write(lambda ledger: _commit(ledger, decide, request_id))

    async def put_status(self, key: Key, uid: Uid, status: AnyStatus) -> None:
        """See DesiredState."""
        present = self._version.get(key)
        if present is None or present.metadata.uid != uid or present.status == status:
            return
        await self._writer.write(lambda ledger: ledger.write_status(key, uid, status))

    async def retire(self, key: Key, uid: Uid) -> None:
        """See DesiredState."""
        await self._writer.write(lambda ledger: _retire(ledger, key, uid))

    async def forget(self, key: Key, uid: Uid) -> None:
        """See DesiredState."""
        await self._writer.write(lambda ledger: ledger.forget(key, uid))

    async def record(
        self, key: Key | None, uid: Uid | None, severity: EventType, reason: str, message: str
    ) -> None:
        """See DesiredState."""
        await self._writer.write(lambda ledger: ledger.record(key, uid, severity, reason, message))


def _retire(ledger: Ledger, key: Key, uid: Uid) -> None:
    """Ask for the deletion of an object and of the volumes that only it has, as `rm -v` does."""
    present = ledger.version.get(key)
    if present is None or present.metadata.uid != uid:
        return
    volumes = list_anonymous_volumes(ledger.version, (key,))
    ledger.mark_deleted(key, uid)
    for volume in volumes:
        ledger.mark_deleted(volume, Uid(ledger.version[volume].metadata.uid or ""))


def _commit(ledger: Ledger, decide: Callable[[Snapshot], Decision], request_id: str) -> Committed:
    if request_id:
        answer = ledger.answers.get(request_id) or ledger.find_answer(request_id)
        if answer is not None:
            return answer
    decision = decide(ledger.version)
    ledger.write(decision.writes)
    resources = tuple(ledger.version[outcome.key] for outcome in decision.outcomes)
    committed = Committed(revision=ledger.revision, outcomes=decision.outcomes, resources=resources)
    if request_id:
        ledger.answers[request_id] = committed
    return committed


@asynccontextmanager
async def open_store(url: str, clock: Clock, *, limits: StoreLimits | None = None) -> AsyncIterator[SqlStore]:
    """Open the database at `url` (`derive_url` makes one of a path) and migrate it; closes it at the end of the block.

    Damaged, Refused, Exhausted or Unavailable name the file and say what to do.
    """
    store = SqlStore(url, clock, limits or StoreLimits())
    try:
        await store.open()
        yield store
    finally:
        await store.close()
