"""Registries for tests of the API: what they have, who may ask, what was pushed."""

from dataclasses import dataclass, field

from controller.errors import NotFound, Refused, Unavailable
from controller.model.facts import ImageFacts
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform
from controller.model.pulls import Pulled, Report, Transfer, TransferState
from controller.model.registries import Credential
from controller.ports import PushSource, SearchResult
from tests.fakes.pulls import make_content

LAYER_BYTES = 1000


@dataclass(slots=True)
class FakeRegistries:
    """See Registries. `content` is a text by whole reference; with `password` nobody else is let in.

    What is pulled goes to `images`, by digest of the configuration.
    """

    images: dict[str, ImageFacts] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    password: str = ""
    pushed: dict[str, PushSource] = field(default_factory=dict)
    platforms: list[str] = field(default_factory=list)

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled:
        self._check(credential)
        self.platforms.append(str(platform or ""))
        text = self.content.get(str(reference))
        if text is None:
            raise NotFound(f"{reference.familiar} does not exist in the registry")
        facts = make_content(text)
        for state, done in ((TransferState.DOWNLOADING, 500), (TransferState.PULLED, LAYER_BYTES)):
            report(Transfer(digest=facts.layers[0], state=state, done_bytes=done, total_bytes=LAYER_BYTES))
        self.images[facts.id] = facts
        return Pulled(reference=reference, digest=facts.manifest_digest, facts=facts)

    async def push(
        self, reference: ImageReference, source: PushSource, *, credential: Credential | None, report: Report
    ) -> str:
        self._check(credential)
        self.pushed[str(reference)] = source
        report(Transfer(digest="sha256:layer", state=TransferState.PUSHED, total_bytes=LAYER_BYTES))
        return source.manifest_digest

    async def check_login(self, registry: str, credential: Credential) -> None:
        if not registry.startswith("down."):
            self._check(credential)
        else:
            raise Unavailable(f"{registry} can't be reached")

    async def list_tags(self, reference: ImageReference, *, credential: Credential | None) -> tuple[str, ...]:
        self._check(credential)
        prefix = f"{reference}:"
        tags = [each.removeprefix(prefix) for each in self.content if each.startswith(prefix)]
        if not tags:
            raise NotFound(f"the tags of {reference.repository} do not exist in the registry")
        return tuple(tags)

    async def search(
        self, registry: str, term: str, *, limit: int, credential: Credential | None
    ) -> tuple[SearchResult, ...]:
        self._check(credential)
        names = {each.partition(":")[0] for each in self.content if each.startswith(f"{registry}/")}
        return tuple(SearchResult(name=name, stars=1) for name in sorted(names) if term in name)[:limit]

    def _check(self, credential: Credential | None) -> None:
        if self.password and (credential is None or credential.password != self.password):
            raise Refused("the registry asks for a login")
