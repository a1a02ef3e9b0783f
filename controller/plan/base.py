"""The shape of every plan."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from controller.model.changes import EventType


class Action(Protocol):
    """One step that a loop carries out; a frozen value."""

    def describe(self) -> str:
        """Return one line for a person: a verb, the object, what matters. The log, events and `hold plan` print it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event that a turn gives rise to: `reason` is one CamelCase word, `message` one sentence."""

    type: EventType
    reason: str
    message: str


ActionT_co = TypeVar("ActionT_co", covariant=True)
StatusT_co = TypeVar("StatusT_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[ActionT_co, StatusT_co]):
    """What one turn comes to.

    `actions` are all steps that are sure now, in order: each prefix leaves a state from which the next turn goes on.
    `status` is what to record if every step succeeds. `requeue_after_s` asks for another turn even without an event.
    `gone` tells that nothing of a deleted object is left, so that the store may forget it; `retire` that the object
    asks for its own deletion (auto-remove); `readmit` that admission has to choose again what it could not know before;
    `is_asked_for` that somebody asked for the steps of a settled object, so that they repair nothing.
    """

    actions: tuple[ActionT_co, ...]
    status: StatusT_co
    notes: tuple[Note, ...] = ()
    requeue_after_s: float | None = None
    gone: bool = False
    retire: bool = False
    readmit: bool = False
    is_asked_for: bool = False
