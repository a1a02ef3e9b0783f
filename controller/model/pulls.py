"""Images on their way from or to a registry: what is wanted, how far it is, what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.model.image_reference import ImageReference


class TransferState(StrEnum):
    """Where a layer is on its way."""

    WAITING = "Waiting"
    DOWNLOADING = "Downloading"
    EXTRACTING = "Extracting"
    PULLED = "Pull complete"
    UPLOADING = "Pushing"
    PUSHED = "Pushed"
    PRESENT = "Already exists"
    MOUNTED = "Mounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A layer on its way; bytes are those of the packed layer. `note` says more, such as where it was mounted from."""

    digest: str
    state: TransferState
    done_bytes: int = 0
    total_bytes: int = 0
    note: str = ""


Report = Callable[[Transfer], None]
"""Takes in how far a layer is; called often, on the event loop's thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """An image that came from a registry. `digest` is that of what the reference named: its manifest or its index."""

    reference: ImageReference
    digest: str
    facts: ImageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PullWant:
    """An image object's wish for content; another one of the same object takes its place.

    `platform` is empty for the host's own. `serial` tells one pull of the same reference from the next.
    """

    image: Uid
    reference: str
    platform: str = ""
    generation: int = 0
    serial: int = 0


class PullState(StrEnum):
    """How a pull stands."""

    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFacts:
    """A pull that goes on, or how the last one ended. Bytes are those of packed layers, as far as they are known.

    `failures` counts those in a row, `failed_at` is when the last of them was. `content` is there once it is done.
    """

    want: PullWant
    state: PullState
    done_bytes: int = 0
    total_bytes: int = 0
    error: str = ""
    failures: int = 0
    failed_at: datetime | None = None
    content: ImageFacts | None = None
