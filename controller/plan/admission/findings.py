"""Everything wrong with a batch, collected so that a writer sees it all at once."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from controller.errors import (
    AlreadyExists,
    Exhausted,
    HoldError,
    InUse,
    Invalid,
    ManagedElsewhere,
    NotFound,
    StaleRevision,
    Unavailable,
    Violation,
)
from controller.model.ids import Key

Refusal = (
    type[Invalid]
    | type[NotFound]
    | type[StaleRevision]
    | type[AlreadyExists]
    | type[InUse]
    | type[Unavailable]
    | type[Exhausted]
)

_MOST_CANDIDATES = 2000
_MOST_NAMED = 5


@dataclass(slots=True)
class Findings:
    """Violations by what their writer should do; what needs mending comes before what needs waiting."""

    _by_refusal: dict[type[HoldError], list[Violation]] = field(default_factory=dict)
    _all: list[Violation] = field(default_factory=list)
    _other_manager: str = ""

    def add(self, refusal: Refusal, key: Key, path: str, message: str) -> None:
        """Record that `path` (such as `spec.image`; empty for the whole object) of `key` is wrong."""
        self._record(refusal, key, path, message)

    def add_other_manager(self, key: Key, manager: str) -> None:
        """Record that `key` belongs to `manager`."""
        self._other_manager = self._other_manager or manager
        self._record(
            ManagedElsewhere,
            key,
            "metadata.manager",
            f"is managed by {manager}: change it there, or take it over with force",
        )

    def _record(self, refusal: type[HoldError], key: Key, path: str, message: str) -> None:
        violation = Violation(field=f"{key}: {path}" if path else str(key), message=message)
        self._by_refusal.setdefault(refusal, []).append(violation)
        self._all.append(violation)

    def raise_any(self) -> None:
        """Raise one error that reports everything recorded, of the class that comes first; nothing when all is well."""
        if not self._all:
            return
        message = "; ".join(str(violation) for violation in self._all)
        order: tuple[Refusal, ...] = (Invalid, NotFound, StaleRevision)
        for refusal in order:
            if refusal in self._by_refusal:
                raise refusal(message, violations=self._all)
        if ManagedElsewhere in self._by_refusal:
            raise ManagedElsewhere(message, manager=self._other_manager, violations=self._all)
        order = (AlreadyExists, InUse, Unavailable, Exhausted)
        for refusal in order:
            if refusal in self._by_refusal:
                raise refusal(message, violations=self._all)


def name_some(keys: Sequence[Key]) -> str:
    """Return the keys in words: all when they are few, otherwise the first ones and how many more there are."""
    named = ", ".join(str(key) for key in keys[:_MOST_NAMED])
    return named if len(keys) <= _MOST_NAMED else f"{named} and {len(keys) - _MOST_NAMED} more"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest of `known`, or nothing."""
    candidates = sorted(known)[:_MOST_CANDIDATES]
    near = difflib.get_close_matches(name, candidates, n=1)
    return f"; did you mean {near[0]}?" if near else ""
