"""A ledger turned into statements."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Delete, Insert, Update, bindparam, delete, insert, select, update

from controller.model.changes import ChangeType
from controller.model.ids import Key, Revision
from controller.model.kinds import Resource, key_of
from controller.store.codec import Row, encode_answer, encode_body, encode_event, encode_object, list_claims
from controller.store.ledger import Ledger
from controller.store.limits import StoreLimits
from controller.store.queries import Counters
from controller.store.tables import CHANGES, CLAIMS, COUNTERS, EVENTS, HISTORY, OBJECTS, REQUESTS

_DELETE_OBJECT = delete(OBJECTS).where(OBJECTS.c.kind == bindparam("k"), OBJECTS.c.name == bindparam("n"))
_DELETE_CLAIMS = delete(CLAIMS).where(CLAIMS.c.uid == bindparam("u"))
_DELETE_GENERATIONS = delete(HISTORY).where(
    HISTORY.c.kind == bindparam("k"), HISTORY.c.name == bindparam("n"), HISTORY.c.generation <= bindparam("g")
)
_RENAME_HISTORY = (
    update(HISTORY)
    .where(HISTORY.c.kind == bindparam("k"), HISTORY.c.name == bindparam("n"))
    .values(name=bindparam("new"))
)
_DELETE_HISTORY = delete(HISTORY).where(HISTORY.c.kind == bindparam("k"), HISTORY.c.name == bindparam("n"))


def write_ledger(connection: Connection, ledger: Ledger, before: Counters, limits: StoreLimits) -> Counters:
    """Write everything that the ledger has gathered, in the connection's transaction; returns the new counters."""
    final = {key_of(change.resource): change for change in ledger.changes}
    present: dict[Key, Resource] = {
        key: change.resource for key, change in final.items() if change.type is not ChangeType.DELETED
    }
    _write_objects(connection, final.keys(), present)
    _write_claims(connection, ledger, present)
    _execute(
        connection,
        insert(CHANGES),
        [
            {"revision": change.revision, "type": change.type.value, **encode_body(change.resource)}
            for change in ledger.changes
        ],
    )
    _write_history(connection, ledger, limits)
    _write_events(connection, ledger, limits)
    _write_answers(connection, ledger, limits)
    compacted = _compact(connection, ledger.revision, before.compacted, limits)
    counters = Counters(revision=ledger.revision, event=ledger.event_sequence, compacted=compacted)
    _write_counters(connection, before, counters)
    return counters


def _execute(connection: Connection, statement: Insert | Delete | Update, rows: list[Row]) -> None:
    if rows:
        connection.execute(statement, rows)


def _write_objects(connection: Connection, touched: Iterable[Key], present: Mapping[Key, Resource]) -> None:
    _execute(connection, _DELETE_OBJECT, [{"k": key.kind, "n": key.name} for key in touched])
    _execute(connection, insert(OBJECTS), [encode_object(resource) for resource in present.values()])


def _write_claims(connection: Connection, ledger: Ledger, present: Mapping[Key, Resource]) -> None:
    """Give up all claims first, so that objects of one transaction can swap what they have."""
    _execute(connection, _DELETE_CLAIMS, [{"u": uid} for uid in ledger.claimants.values()])
    claims = [claim for key in ledger.claimants if key in present for claim in list_claims(present[key])]
    _execute(connection, insert(CLAIMS), claims)


def _write_history(connection: Connection, ledger: Ledger, limits: StoreLimits) -> None:
    for key, new_key in ledger.renames:
        _execute(connection, _DELETE_HISTORY, [{"k": new_key.kind, "n": new_key.name}])
        _execute(connection, _RENAME_HISTORY, [{"k": key.kind, "n": key.name, "new": new_key.name}])
    born = [resource for resource in ledger.specs if resource.metadata.generation == 1]
    _execute(connection, _DELETE_HISTORY, [{"k": key.kind, "n": key.name} for key in map(key_of, born)])
    _execute(connection, insert(HISTORY), [_encode_generation(resource) for resource in ledger.specs])
    outgrown = [
        {"k": key.kind, "n": key.name, "g": resource.metadata.generation - limits.generations}
        for key, resource in ((key_of(resource), resource) for resource in ledger.specs)
        if resource.metadata.generation > limits.generations
    ]
    _execute(connection, _DELETE_GENERATIONS, outgrown)


def _encode_generation(resource: Resource) -> Row:
    key, metadata = key_of(resource), resource.metadata
    return {
        "kind": key.kind,
        "name": key.name,
        "generation": metadata.generation,
        "revision": metadata.revision,
        **encode_body(resource),
    }


def _write_events(connection: Connection, ledger: Ledger, limits: StoreLimits) -> None:
    if not ledger.events:
        return
    connection.execute(insert(EVENTS), [encode_event(event) for event in ledger.events])
    connection.execute(delete(EVENTS).where(EVENTS.c.sequence <= ledger.event_sequence - limits.events))


def _write_answers(connection: Connection, ledger: Ledger, limits: StoreLimits) -> None:
    if not ledger.answers:
        return
    oldest = (ledger.now - limits.request_age).isoformat()
    connection.execute(delete(REQUESTS).where(REQUESTS.c.at < oldest))
    rows = [
        {"id": request_id, "at": ledger.now.isoformat(), "answer": encode_answer(answer)}
        for request_id, answer in ledger.answers.items()
    ]
    connection.execute(insert(REQUESTS), rows)


def _compact(
    connection: Connection, revision: Revision, compacted: Revision, limits: StoreLimits
) -> Revision:
    """Forget the oldest changes, a tenth of the bound at a time, and what is left of objects that only they knew."""
    if revision - compacted <= limits.changes + limits.changes // 10:
        return compacted
    floor = Revision(revision - limits.changes)
    connection.execute(delete(CHANGES).where(CHANGES.c.revision <= floor))
    alive = (
        select(OBJECTS.c.name)
        .where(OBJECTS.c.kind == HISTORY.c.kind, OBJECTS.c.name == HISTORY.c.name)
        .exists()
    )
    connection.execute(delete(HISTORY).where(HISTORY.c.revision <= floor, ~alive))
    return floor


def _write_counters(connection: Connection, before: Counters, after: Counters) -> None:
    if before == after:
        return
    connection.execute(delete(COUNTERS))
    rows = [
        {"name": "revision", "value": after.revision},
        {"name": "event", "value": after.event},
        {"name": "compacted", "value": after.compacted},
    ]
    connection.execute(insert(COUNTERS), rows)
