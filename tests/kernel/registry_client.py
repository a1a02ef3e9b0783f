"""A client of registries with a store of its own, for tests on the real kernel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from controller.images.pull import Puller
from controller.images.push import Pusher
from controller.images.registries import RegistryAccess
from controller.images.registry.back_off import Patience
from controller.images.registry.client import RegistryClient, RegistryOptions
from controller.images.store import ImageStore
from controller.model.image_reference import parse_reference
from controller.model.platforms import parse_platform
from controller.model.pulls import Pulled, Transfer, TransferState
from controller.model.registries import Credential, RegistrySettings
from controller.ports import PushSource
from tests.kernel.image_builder import open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client with a store of its own."""

    client: RegistryClient
    access: RegistryAccess
    store: ImageStore
    transfers: list[Transfer]

    async def pull(
        self, name: str, *, login: tuple[str, str] | None = None, platform: str = "linux/amd64"
    ) -> Pulled:
        """Pull an image."""
        self.transfers.clear()
        return await self.access.pull(
            parse_reference(name).complete(),
            platform=parse_platform(platform),
            credential=make_credential(login),
            report=self.transfers.append,
        )

    async def push(
        self,
        name: str,
        digest: str,
        *,
        login: tuple[str, str] | None = None,
        kindred: Mapping[str, str] | None = None,
    ) -> list[TransferState]:
        """Push an image and return the states of its layers but for the first."""
        self.transfers.clear()
        source = PushSource(manifest_digest=digest, kindred=kindred or {})
        pushed = await self.access.push(
            parse_reference(name).complete(),
            source,
            credential=make_credential(login),
            report=self.transfers.append,
        )
        assert pushed == digest
        return [each.state for each in self.transfers if each.state is not TransferState.WAITING]


def make_credential(login: tuple[str, str] | None) -> Credential:
    """Return a credential, an empty one for nobody."""
    return Credential(username=login[0], password=login[1]) if login is not None else Credential()


async def make_client(path: Path, *, registries: Mapping[str, RegistrySettings] | None = None) -> Client:
    """Return a client whose store, certificates and logins are below `path`."""
    path.mkdir(exist_ok=True)
    options = RegistryOptions(
        registries=registries or {},
        certificate_directories=(str(path / "certs"),),
        keys_path=str(path / "config.json"),
        patience=Patience(silence_s=20, first_wait_s=0.05),
        environment={},
    )
    store = await open_store(path)
    client = RegistryClient(options, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    access = RegistryAccess(
        client=client,
        puller=Puller(client=client, store=store, layers_at_once=3),
        pusher=Pusher(client=client, store=store, layers_at_once=3),
    )
    return Client(client=client, access=access, store=store, transfers=[])
