"""The door of the package: a repository opened for reading or for writing, for the length of a block."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.errors import HoldError, Refused
from controller.images.registry.back_off import Patience
from controller.images.registry.endpoints import HOSTS, SEARCH_HOSTS, Endpoint, Registries, list_endpoints
from controller.images.registry.keys import KeyFile
from controller.images.registry.origin import Call, Origin, Wire
from controller.images.registry.origins import Origins
from controller.images.registry.proxies import Proxies
from controller.images.registry.repository import Repository
from controller.images.registry.search import search
from controller.images.registry.trust import Trust
from controller.images.registry.writer import RepositoryWriter
from controller.model.image_reference import ImageReference
from controller.model.registries import Credential
from controller.ports import SearchResult

_LITTLE_PATIENCE = Patience(connect_s=5.0, silence_s=5.0, attempts=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """How registries are spoken to. `environment` names proxies, `keys_path` is a configuration file of Docker."""

    registries: Registries
    certificate_directories: tuple[str, ...]
    keys_path: str
    patience: Patience
    environment: Mapping[str, str] = field(repr=False)


class RegistryClient:
    """Opens repositories. What is kept between requests ends with the block."""

    def __init__(self, options: RegistryOptions, *, now: Callable[[], datetime]) -> None:
        self._options = options
        self._now = now
        self._keys = KeyFile(options.keys_path)
        self._trust = Trust(directories=options.certificate_directories, registries=options.registries)

    @contextlib.asynccontextmanager
    async def reading(
        self, reference: ImageReference, credential: Credential | None
    ) -> AsyncIterator[Repository]:
        """Open a reference's repository, its mirrors first. Without a credential the daemon's own logins are used."""
        async with self._opening(reference, credential, mirrors=True) as origins:
            yield Repository(path=reference.repository, origins=origins)

    @contextlib.asynccontextmanager
    async def writing(
        self, reference: ImageReference, credential: Credential | None
    ) -> AsyncIterator[RepositoryWriter]:
        """Open a reference's repository for pushing, never a mirror of it."""
        async with self._opening(reference, credential, mirrors=False) as origins:
            yield RepositoryWriter(path=reference.repository, origins=origins)

    async def check_login(self, registry: str, credential: Credential) -> None:
        """Return when a registry lets somebody in. Refused, Unavailable."""
        anything = ImageReference(registry=registry, repository="login")
        call = Call(path="/v2/", about=f"user {credential.username}" if credential.username else "the token")
        async with self._opening(anything, credential, mirrors=False) as origins:
            await origins.ask_in_turn(lambda origin: origin.ask(call))

    async def examine(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each registry and mirror that the settings name, and why it does not answer, empty when it does."""
        named = [place for place in self._options.registries if "/" not in place]
        for registry in named:
            reference = ImageReference(registry=registry, repository="examination")
            async with self._opening(reference, None, mirrors=True, patience=_LITTLE_PATIENCE) as origins:
                for name in dict.fromkeys(origin.endpoint.registry for origin in origins):
                    yield name, await _examine(name, origins)

    async def search(
        self, registry: str, term: str, *, limit: int, credential: Credential | None
    ) -> tuple[SearchResult, ...]:
        """Return repositories that have to do with a term; see `controller.ports.Registries`."""
        anything = ImageReference(registry=registry, repository="search")
        async with self._opening(anything, credential, mirrors=False, hosts=SEARCH_HOSTS) as origins:
            return await search(origins, term, limit=limit)

    @contextlib.asynccontextmanager
    async def _opening(
        self,
        reference: ImageReference,
        credential: Credential | None,
        *,
        mirrors: bool,
        hosts: Mapping[str, str] = HOSTS,
        patience: Patience | None = None,
    ) -> AsyncIterator[Origins]:
        # The HTTP library costs time and memory that a daemon which never pulls does not need.
        from controller.images.registry.transport import Transport

        options, patience = self._options, patience or self._options.patience
        endpoints = list_endpoints(reference.registry, options.registries, mirrors=mirrors, hosts=hosts)
        async with Transport(patience=patience, proxies=Proxies(options.environment)) as transport:
            wire = Wire(sender=transport, trust=self._trust, patience=patience, now=self._now)
            origins = [
                Origin(
                    endpoint=endpoint,
                    credential=await self._find_credential(endpoint, reference, credential),
                    wire=wire,
                    alone=endpoint is endpoints[-1],
                )
                for endpoint in endpoints
            ]
            yield Origins(origins)

    async def _find_credential(
        self, endpoint: Endpoint, reference: ImageReference, credential: Credential | None
    ) -> Credential:
        """Return who we are to an endpoint; what was handed over is for the reference's own registry alone."""
        if credential is None:
            return await self._keys.find(endpoint.registry)
        return credential if endpoint.registry == reference.registry else Credential()


async def _examine(name: str, origins: Origins) -> str:
    """Return why a registry does not answer; one that wants a login does."""
    own = Origins([origin for origin in origins if origin.endpoint.registry == name])
    try:
        await own.ask_in_turn(lambda origin: origin.ask(Call(path="/v2/", about="the registry")))
    except HoldError as error:
        lacks_login = isinstance(error, Refused) and error.__cause__ is None
        return "" if lacks_login else error.message
    return ""
