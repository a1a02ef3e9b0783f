"""What one transaction will write, gathered before the first statement."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.errors import AlreadyExists, NotFound
from controller.model.changes import Change, ChangeType, Event, EventType, MarkDeleted, Put, Rename, Write
from controller.model.ids import Key, Revision, Uid
from controller.model.kinds import AnyStatus, Resource, key_of
from controller.ports import Committed
from controller.store.versions import Version

FindAnswer = Callable[[str], Committed | None]
Pending = dict[Key, Resource | None]
"""Objects as earlier writes of the same decision leave them, None for what is gone."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Writes on top of `version`; each is whole or not there at all, also when making it raises.

    `changes` have consecutive revisions. `specs` are objects whose spec is new, `claimants` keys whose claims may have
    changed with the uid that they had before. `renames` are old keys with the new ones.
    """

    version: Version
    revision: Revision
    event_sequence: int
    now: datetime
    find_answer: FindAnswer
    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    specs: list[Resource] = field(default_factory=list)
    claimants: dict[Key, Uid] = field(default_factory=dict)
    renames: list[tuple[Key, Key]] = field(default_factory=list)
    answers: dict[str, Committed] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.changes or self.events or self.answers)

    def write(self, writes: Iterable[Write]) -> None:
        """Add the writes of a decision."""
        pending: Pending = {}
        changes: list[Change] = []
        specs: list[Resource] = []
        renames: list[tuple[Key, Key]] = []
        claimants: dict[Key, Uid] = {}
        for write in writes:
            made = self._make_changes(write, pending, Revision(self.revision + len(changes) + 1))
            if isinstance(write, Put) and self._is_new_spec(made[0].resource, pending):
                specs.append(made[0].resource)
            if isinstance(write, Rename):
                renames.append((write.key, write.new_key))
            changes += made
            for change in made:
                key = key_of(change.resource)
                pending[key] = None if change.type is ChangeType.DELETED else change.resource
                claimants[key] = _uid_of(change.resource)
        self.claimants |= claimants
        self.specs += specs
        self.renames += renames
        self._append(changes, pending)

    def write_status(self, key: Key, uid: Uid, status: AnyStatus) -> None:
        """Add a new status; nothing when it is equal or the object is another one by now."""
        resource = self.version.get(key)
        if resource is None or resource.metadata.uid != uid or resource.status == status:
            return
        revision = Revision(self.revision + 1)
        metadata = resource.metadata.model_copy(update={"revision": revision})
        changed = resource.model_copy(update={"metadata": metadata, "status": status})
        self._append([_modified(changed, revision)], {key: changed})

    def mark_deleted(self, key: Key, uid: Uid) -> None:
        """Ask for the deletion of an object; nothing when it is another one by now or was asked before."""
        resource = self.version.get(key)
        if resource is None or resource.metadata.uid != uid or resource.metadata.deleted_at is not None:
            return
        change = self._mark_deleted(key, {}, Revision(self.revision + 1))
        self.claimants[key] = uid
        self._append([change], {key: change.resource})

    def forget(self, key: Key, uid: Uid) -> None:
        """Remove an object whose deletion was asked for; nothing otherwise."""
        resource = self.version.get(key)
        if resource is None or resource.metadata.uid != uid or resource.metadata.deleted_at is None:
            return
        revision = Revision(self.revision + 1)
        metadata = resource.metadata.model_copy(update={"revision": revision})
        last = resource.model_copy(update={"metadata": metadata})
        self.claimants[key] = uid
        self._append([Change(type=ChangeType.DELETED, revision=revision, resource=last)], {key: None})

    def record(
        self, key: Key | None, uid: Uid | None, severity: EventType, reason: str, message: str
    ) -> None:
        """Add an event."""
        self.event_sequence += 1
        event = Event(
            sequence=self.event_sequence,
            at=self.now,
            type=severity,
            reason=reason,
            message=message,
            key=key,
            uid=uid,
        )
        self.events.append(event)

    def _append(self, changes: list[Change], objects: Mapping[Key, Resource | None]) -> None:
        self.changes.extend(changes)
        self.revision = Revision(self.revision + len(changes))
        self.version = self.version.replace(objects)

    def _make_changes(self, write: Write, pending: Pending, revision: Revision) -> tuple[Change, ...]:
        match write:
            case Put():
                return (self._put(write, pending, revision),)
            case MarkDeleted(key=key):
                return (self._mark_deleted(key, pending, revision),)
            case Rename():
                return self._rename(write, pending, revision)

    def _find(self, key: Key, pending: Pending) -> Resource | None:
        return pending[key] if key in pending else self.version.get(key)

    def _rename(self, rename: Rename, pending: Pending, revision: Revision) -> tuple[Change, ...]:
        stored = self._find(rename.key, pending)
        if stored is None:
            raise NotFound(f"{rename.key} does not exist")
        if self._find(rename.new_key, pending) is not None:
            raise AlreadyExists(f"{rename.new_key} exists")
        last = stored.metadata.model_copy(update={"revision": revision})
        following = Revision(revision + 1)
        metadata = last.model_copy(update={"revision": following, "name": rename.name})
        renamed = stored.model_copy(update={"metadata": metadata})
        return (
            Change(
                type=ChangeType.DELETED,
                revision=revision,
                resource=stored.model_copy(update={"metadata": last}),
            ),
            Change(type=ChangeType.ADDED, revision=following, resource=renamed),
        )

    def _put(self, put: Put, pending: Pending, revision: Revision) -> Change:
        wanted = put.resource
        key = key_of(wanted)
        stored = self._find(key, pending)
        update: dict[str, object] = {"revision": revision}
        if stored is None:
            update |= {
                "generation": 1,
                "created_at": wanted.metadata.created_at or self.now,
                "deleted_at": None,
            }
            metadata = wanted.metadata.model_copy(update=update)
            resource = wanted.model_copy(update={"metadata": metadata, "assigned": put.assigned})
            return Change(type=ChangeType.ADDED, revision=revision, resource=resource)
        if stored.metadata.uid != wanted.metadata.uid:
            raise AlreadyExists(f"{key} exists with another uid: {stored.metadata.uid}")
        update |= {
            "generation": stored.metadata.generation + (stored.spec != wanted.spec),
            "created_at": stored.metadata.created_at,
            "deleted_at": stored.metadata.deleted_at,
        }
        metadata = wanted.metadata.model_copy(update=update)
        fields = {"metadata": metadata, "assigned": put.assigned, "status": stored.status}
        return _modified(wanted.model_copy(update=fields), revision)

    def _is_new_spec(self, resource: Resource, pending: Pending) -> bool:
        stored = self._find(key_of(resource), pending)
        return stored is None or stored.metadata.generation != resource.metadata.generation

    def _mark_deleted(self, key: Key, pending: Pending, revision: Revision) -> Change:
        stored = self._find(key, pending)
        if stored is None:
            raise NotFound(f"{key} does not exist")
        update = {"revision": revision, "deleted_at": stored.metadata.deleted_at or self.now}
        metadata = stored.metadata.model_copy(update=update)
        return _modified(stored.model_copy(update={"metadata": metadata}), revision)


def _modified(resource: Resource, revision: Revision) -> Change:
    return Change(type=ChangeType.MODIFIED, revision=revision, resource=resource)


def _uid_of(resource: Resource) -> Uid:
    return Uid(resource.metadata.uid or "")
