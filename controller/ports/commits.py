"""Images made of containers."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitWant:
    """A layer more on an image. `parent` is the digest of its configuration; `created_by` says what made the layer."""

    parent: str
    config: ImageConfig
    created_at: datetime
    created_by: str
    author: str = ""
    message: str = ""


class Commits(Protocol):
    """Makes images out of others and a layer more."""

    def committing(
        self, want: CommitWant, layer: AsyncIterator[bytes]
    ) -> AbstractAsyncContextManager[ImageFacts]:
        """Store the image, whole or not at all; inside the block nothing of it is collected as garbage.

        `layer` is a plain tar stream; one without entries makes no layer. NotFound when the parent is not there.
        """
        ...
