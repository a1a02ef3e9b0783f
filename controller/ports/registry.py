"""Registries: what comes from them and goes to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.model.ids import Uid
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform
from controller.model.pulls import Pulled, PullFacts, PullWant, Report
from controller.model.registries import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSource:
    """An image in the content store.

    `kindred` names, for some chain ids, a repository of the target's registry that may have the layer already.
    """

    manifest_digest: str
    kindred: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A repository that a registry knows."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False


class Registries(Protocol):
    """Registries, for as long as a caller waits.

    Credentials are used for the call and forgotten; without one the daemon's own logins are used. Errors carry the
    registry's own words: NotFound, Refused (also for want of a login), Unavailable (after several tries), Invalid
    (content is not what its digest says, or is none).
    """

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled:
        """Bring an image into the content store, whole or not at all; layers that are there are not fetched again."""
        ...

    async def push(
        self, reference: ImageReference, source: PushSource, *, credential: Credential | None, report: Report
    ) -> str:
        """Bring an image to a registry and return its manifest's digest; layers that are there are not sent again."""
        ...

    async def check_login(self, registry: str, credential: Credential) -> None:
        """Return when a registry lets somebody in; Refused when it does not."""
        ...

    async def list_tags(self, reference: ImageReference, *, credential: Credential | None) -> tuple[str, ...]:
        """Return the tags of a repository."""
        ...

    async def search(
        self, registry: str, term: str, *, limit: int, credential: Credential | None
    ) -> Sequence[SearchResult]:
        """Return at most `limit` repositories that have to do with a term, the registry's best first."""
        ...


class Pulls(Protocol):
    """Pulls that image objects ask for: they go on by themselves, one for each object; a hint tells of each end.

    None survives the daemon: what is not there is asked for again.
    """

    async def begin(self, want: PullWant) -> None:
        """Begin a pull unless the very same goes on; another one of the object's is given up."""
        ...

    async def find(self, image: Uid) -> PullFacts | None:
        """Return how an object's pull stands or ended, None when there was none."""
        ...

    async def cancel(self, image: Uid) -> None:
        """Give an object's pull up and forget it."""
        ...
