"""What travels between the store, the API and the loops: changes, events, batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

from controller.model.container import StopOrder
from controller.model.ids import Key, Revision, Uid
from controller.model.kinds import Assigned, Resource, Spec

Snapshot = Mapping[Key, Resource]
"""Every object at one revision, with `assigned` filled in; never mutated."""

T = TypeVar("T")


@runtime_checkable
class Parted(Protocol):
    """A snapshot in parts, most of which it has in common with the one before."""

    def gather(self, derive: Callable[[Snapshot], T]) -> list[T]:
        """Return what comes of each part; what came of a part is kept as long as the part."""
        ...


def gather(snapshot: Snapshot, derive: Callable[[Snapshot], T]) -> list[T]:
    """Return what comes of the parts that a snapshot is in, so that nobody goes through all objects for each change.

    `derive` is a function of a module, and pure: it is called for parts that are new, and kept with what came of it.
    """
    return snapshot.gather(derive) if isinstance(snapshot, Parted) else [derive(snapshot)]


class ChangeType(StrEnum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write. `resource` is the object after it; for DELETED the last state, at the revision of the deletion."""

    type: ChangeType
    revision: Revision
    resource: Resource


class EventType(StrEnum):
    """Whether an event is expected."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an object or (key None) to the daemon; `reason` is one CamelCase word."""

    sequence: int
    at: datetime
    type: EventType
    reason: str
    message: str
    key: Key | None = None
    uid: Uid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a writer wants an object to be. `revision`, when not 0, must be the stored object's.

    `stop` says how a container's process is to be ended, if it is.
    """

    key: Key
    spec: Spec
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    uid: Uid | None = None
    revision: int = 0
    stop: StopOrder | None = None


class Verb(StrEnum):
    """What a batch does to one object."""

    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    DELETE = "delete"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One changed field: its path in the manifest's spelling and both values as JSON; empty when absent."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a batch does to one object: `changes` are all changed fields, `because` those that force RECREATE."""

    key: Key
    verb: Verb
    changes: tuple[FieldChange, ...] = ()
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Create or replace the desired state of an object; the store fills in revision and times.

    `labels`, `annotations`, `manager` and `owner` are taken from `resource.metadata`; the generation rises
    when the spec differs.
    """

    resource: Resource
    assigned: Assigned


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkDeleted:
    """Ask for an object's deletion; loops tear it down and then the store forgets it."""

    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """Give an object another name; it keeps its uid, its status and its history. Watchers see DELETED, then ADDED."""

    key: Key
    name: str

    @property
    def new_key(self) -> Key:
        return Key(self.key.kind, self.name)


Write = Put | MarkDeleted | Rename


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a batch comes to: writes for the store and, for the writer, an outcome for each object."""

    writes: tuple[Write, ...]
    outcomes: tuple[Outcome, ...]
