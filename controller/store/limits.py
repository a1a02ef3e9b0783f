"""How much the store keeps of what is past."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """Bounds of everything that would grow for ever.

    `changes` are the revisions that a watcher can lag behind before it has to list again; `recent` those of them that
    are kept in memory, each with its object: some kilobytes. `generations` are kept specs of an object.
    """

    changes: int = 100_000
    recent: int = 256
    generations: int = 20
    events: int = 10_000
    request_age: timedelta = timedelta(days=1)
