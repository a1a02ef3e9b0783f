"""Registries over one client and one store: the port `Registries`."""

from controller.images.pull import Puller
from controller.images.push import Pusher
from controller.images.registry.client import RegistryClient
from controller.model.image_reference import ImageReference
from controller.model.platforms import Platform
from controller.model.pulls import Pulled, Report
from controller.model.registries import Credential
from controller.ports import PushSource, SearchResult


class RegistryAccess:
    """Implements `controller.ports.Registries`."""

    def __init__(self, *, client: RegistryClient, puller: Puller, pusher: Pusher) -> None:
        self._client = client
        self._puller = puller
        self._pusher = pusher

    async def pull(
        self,
        reference: ImageReference,
        *,
        platform: Platform | None,
        credential: Credential | None,
        report: Report,
    ) -> Pulled:
        """See Registries."""
        return await self._puller.pull(reference, platform=platform, credential=credential, report=report)

    async def push(
        self, reference: ImageReference, source: PushSource, *, credential: Credential | None, report: Report
    ) -> str:
        """See Registries."""
        return await self._pusher.push(reference, source, credential=credential, report=report)

    async def check_login(self, registry: str, credential: Credential) -> None:
        """See Registries."""
        await self._client.check_login(registry, credential)

    async def list_tags(self, reference: ImageReference, *, credential: Credential | None) -> tuple[str, ...]:
        """See Registries."""
        async with self._client.reading(reference, credential) as repository:
            return await repository.list_tags()

    async def search(
        self, registry: str, term: str, *, limit: int, credential: Credential | None
    ) -> tuple[SearchResult, ...]:
        """See Registries."""
        return await self._client.search(registry, term, limit=limit, credential=credential)
