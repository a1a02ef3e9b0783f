"""What is read from the database."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from controller.model.changes import Change, ChangeType, Event
from controller.model.ids import Key, Revision
from controller.model.kinds import Resource, key_of
from controller.ports import Committed
from controller.store.codec import decode_answer, decode_body, decode_event
from controller.store.tables import CHANGES, COUNTERS, EVENTS, HISTORY, OBJECTS, REQUESTS
from controller.store.versions import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The last revision and event sequence given, and the last revision that the log has forgotten."""

    revision: Revision
    event: int
    compacted: Revision


def read_counters(connection: Connection) -> Counters:
    """Return the counters; zeros for a new database."""
    rows = {row.name: row.value for row in connection.execute(select(COUNTERS))}
    return Counters(
        revision=Revision(rows.get("revision", 0)),
        event=rows.get("event", 0),
        compacted=Revision(rows.get("compacted", 0)),
    )


def read_objects(connection: Connection) -> Version:
    """Return every object."""
    rows = connection.execute(
        select(OBJECTS.c.body, OBJECTS.c.assigned).order_by(OBJECTS.c.kind, OBJECTS.c.name)
    )
    resources = [decode_body(row.body, row.assigned) for row in rows]
    return Version.of({key_of(resource): resource for resource in resources})


def list_changes(connection: Connection, after: Revision, limit: int) -> Sequence[Change]:
    """Return at most `limit` changes after a revision, in order."""
    query = select(CHANGES).where(CHANGES.c.revision > after).order_by(CHANGES.c.revision).limit(limit)
    return [
        Change(
            type=ChangeType(row.type),
            revision=Revision(row.revision),
            resource=decode_body(row.body, row.assigned),
        )
        for row in connection.execute(query)
    ]


def list_history(connection: Connection, key: Key) -> Sequence[Resource]:
    """Return the kept generations of an object, newest first."""
    query = (
        select(HISTORY)
        .where(HISTORY.c.kind == key.kind, HISTORY.c.name == key.name)
        .order_by(HISTORY.c.generation.desc())
    )
    return [decode_body(row.body, row.assigned) for row in connection.execute(query)]


def list_events(connection: Connection, after: int, limit: int) -> Sequence[Event]:
    """Return at most `limit` events with a higher sequence, in order."""
    query = select(EVENTS).where(EVENTS.c.sequence > after).order_by(EVENTS.c.sequence).limit(limit)
    return [decode_event(dict(row)) for row in connection.execute(query).mappings()]


def find_answer(connection: Connection, request_id: str, since: str) -> Committed | None:
    """Return the answer that a request got after the time `since` (ISO 8601), if it was made."""
    query = select(REQUESTS.c.answer).where(REQUESTS.c.id == request_id, REQUESTS.c.at >= since)
    text = connection.execute(query).scalar()
    return decode_answer(text) if text is not None else None
