"""Everything that can go wrong, named by what the caller should do about it.

    HoldError
    ├── Invalid          mend the request: `violations` name the fields
    ├── NotFound         name something that exists
    ├── Conflict         look at the present state, then decide again
    │   ├── AlreadyExists    another object has the name, address or port
    │   ├── StaleRevision    read the object again: it was written in between
    │   ├── ManagedElsewhere the object is another manager's: ask it, or force
    │   └── InUse            others need the object: remove them first
    ├── Expired          list again: the revision asked for is compacted
    ├── Unavailable      try again after `retry_after_s`
    ├── Unsupported      give the host what it lacks (`hold doctor` says how)
    ├── Exhausted        free some of what ran out (disk, memory, addresses)
    ├── Refused          the kernel or a tool said no: `message` says to what
    └── Damaged          restore: state on disk can't be trusted

Adapters translate foreign exceptions once, at their edge, with `from exc`;
`controller.api.status` maps each class to one gRPC code.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong in a request.

    `field` is a path such as `Container/web: spec.ports[0].hostPort`, in the manifest's spelling;
    empty when the whole request is meant. `message` says what is wrong and what to do.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class HoldError(Exception):
    """Base of all errors of hold; `message` is one sentence for a person, without a final full stop.

    `violations` name the fields of the request that the error is about, where it is about fields.
    """

    def __init__(self, message: str, *, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)


class Invalid(HoldError):
    """The request can never be carried out as it is written."""

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> "Invalid":
        """Return the error that reports all `violations` (at least one) together."""
        return cls("; ".join(str(violation) for violation in violations), violations=violations)


class NotFound(HoldError):
    """What the request names does not exist."""


class Conflict(HoldError):
    """The request contradicts the present state."""


class AlreadyExists(Conflict):
    """A name, address or port is taken by another object."""


class StaleRevision(Conflict):
    """The object was written since the revision that the request names."""


class ManagedElsewhere(Conflict):
    """The object belongs to another manager, which `manager` names."""

    def __init__(self, message: str, *, manager: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message, violations=violations)
        self.manager = manager


class InUse(Conflict):
    """Other objects refer to the one that should go."""


class Expired(HoldError):
    """The revision to go on from has been compacted away."""


class Unavailable(HoldError):
    """Something is not there yet, or not now."""

    def __init__(
        self, message: str, *, retry_after_s: float = 1.0, violations: Sequence[Violation] = ()
    ) -> None:
        super().__init__(message, violations=violations)
        self.retry_after_s = retry_after_s


class Unsupported(HoldError):
    """The host lacks a tool or a kernel feature."""


class Exhausted(HoldError):
    """A resource of the host or of a pool has run out."""


class Refused(HoldError):
    """The kernel or a tool refused an operation."""


class Damaged(HoldError):
    """Stored state can't be trusted."""
