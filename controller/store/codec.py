"""Between models and rows."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from controller.errors import Damaged
from controller.model.changes import Event, EventType, FieldChange, Outcome, Verb
from controller.model.container import Container, ContainerAssigned
from controller.model.ids import KINDS, Key, KindName, Revision, Uid
from controller.model.image import ImageAssigned
from controller.model.kinds import RESOURCE_TYPES, Assigned, Resource, key_of
from controller.model.network import Network, NetworkAssigned, family_of
from controller.model.volume import VolumeAssigned
from controller.ports import Committed

Row = dict[str, Any]
"""Column values by name, as SQLAlchemy takes them."""

_ASSIGNED_TYPES: dict[KindName, type[Assigned]] = {
    "Container": ContainerAssigned,
    "Network": NetworkAssigned,
    "Volume": VolumeAssigned,
    "Image": ImageAssigned,
}


def encode_body(resource: Resource) -> Row:
    """Return the columns `body` and `assigned`."""
    assigned = resource.assigned
    return {
        "body": resource.model_dump_json(by_alias=True),
        "assigned": assigned.model_dump_json(by_alias=True) if assigned is not None else "",
    }


def decode_body(body: str, assigned: str) -> Resource:
    """Return the object of the columns `body` and `assigned`; Damaged when they aren't one."""
    try:
        kind = _read_kind(body)
        resource = RESOURCE_TYPES[kind].model_validate_json(body)
        if not assigned:
            return resource
        return resource.model_copy(update={"assigned": _ASSIGNED_TYPES[kind].model_validate_json(assigned)})
    except ValidationError as exc:
        raise Damaged(f"a stored object can't be read: {exc}") from exc


def _read_kind(body: str) -> KindName:
    """Return the kind without parsing the whole: it is the second field that the models write."""
    start = body[:64]
    for kind in KINDS:
        if f'"kind":"{kind}"' in start:
            return kind
    raise Damaged(f"a stored object is of no known kind: {start}")


def encode_object(resource: Resource) -> Row:
    """Return a row of `objects`."""
    key, metadata = key_of(resource), resource.metadata
    return {
        "kind": key.kind,
        "name": key.name,
        "uid": metadata.uid,
        "revision": metadata.revision,
        **encode_body(resource),
    }


def list_claims(resource: Resource) -> list[Row]:
    """Return the rows of `claims` for what only this object can have; a deleted object gives everything up."""
    if resource.metadata.deleted_at is not None:
        return []
    found: list[tuple[str, str]] = []
    match resource:
        case Container(assigned=ContainerAssigned() as assigned):
            for network, attachment in assigned.networks.items():
                found += [(f"ipv4 {network}", attachment.ipv4)] if attachment.ipv4 else []
                found += [(f"ipv6 {network}", attachment.ipv6)] if attachment.ipv6 else []
                found += [(f"ipv{family_of(each)} {network}", each) for each in attachment.link_local_ips]
                found.append(("mac", attachment.mac))
            found.extend(
                ("port", f"{port.protocol} {port.host_ip or '*'} {port.host_port}") for port in assigned.ports
            )
        case Network(assigned=NetworkAssigned() as assigned):
            found += [("bridge", assigned.bridge)] if assigned.bridge else []
            found.extend(("subnet", each) for each in (assigned.subnet, assigned.ipv6_subnet) if each)
        case _:
            pass
    return [{"scope": scope, "value": value, "uid": resource.metadata.uid} for scope, value in found]


def describe_claim(scope: str, value: str) -> str:
    """Return a claim in a person's words."""
    return f"{scope} {value}"


def encode_event(event: Event) -> Row:
    """Return a row of `events`."""
    return {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "type": event.type.value,
        "reason": event.reason,
        "message": event.message,
        "kind": event.key.kind if event.key else "",
        "name": event.key.name if event.key else "",
        "uid": event.uid or "",
    }


def decode_event(row: Row) -> Event:
    """Return the event of a row of `events`."""
    return Event(
        sequence=row["sequence"],
        at=datetime.fromisoformat(row["at"]),
        type=EventType(row["type"]),
        reason=row["reason"],
        message=row["message"],
        key=Key(row["kind"], row["name"]) if row["kind"] else None,
        uid=Uid(row["uid"]) if row["uid"] else None,
    )


def encode_answer(committed: Committed) -> str:
    """Return the answer to a batch as JSON."""
    return json.dumps(
        {
            "revision": committed.revision,
            "outcomes": [_encode_outcome(outcome) for outcome in committed.outcomes],
            "resources": [list(encode_body(resource).values()) for resource in committed.resources],
        }
    )


def decode_answer(text: str) -> Committed:
    """Return the answer that `encode_answer` wrote."""
    answer = json.loads(text)
    return Committed(
        revision=Revision(answer["revision"]),
        outcomes=tuple(_decode_outcome(outcome) for outcome in answer["outcomes"]),
        resources=tuple(decode_body(body, assigned) for body, assigned in answer["resources"]),
    )


def _encode_outcome(outcome: Outcome) -> list[object]:
    changes: Sequence[object] = [[change.path, change.old, change.new] for change in outcome.changes]
    return [*outcome.key, outcome.verb.value, changes, list(outcome.because)]


def _decode_outcome(parts: list[Any]) -> Outcome:
    kind, name, verb, changes, because = parts
    return Outcome(
        key=Key(kind, name),
        verb=Verb(verb),
        changes=tuple(FieldChange(path=path, old=old, new=new) for path, old, new in changes),
        because=tuple(because),
    )
