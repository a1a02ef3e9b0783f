"""Volumes and images of a fake machine."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from controller.errors import Conflict, NotFound, Unavailable
from controller.model.facts import (
    ImageFacts,
    VolumeFacts,
)
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.usage import Reclaimed
from controller.model.wants import (
    RootWant,
    VolumeMount,
    VolumeWant,
)
from controller.ports.plugins import VolumeDrivers
from tests.fakes.port import FakePort
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld


class FakeVolumes(FakePort):
    """See VolumeDirectories. A volume is the list of paths that were copied into it."""

    def __init__(self, world: FakeWorld, steps: Steps, drivers: VolumeDrivers) -> None:
        super().__init__(world, steps)
        self._drivers = drivers

    async def list(self) -> tuple[VolumeFacts, ...]:
        call = await self._steps.begin("volumes.list")
        await self._steps.end(call)
        return tuple(self._describe(uid) for uid in self._world.volumes)

    async def read(self, volume: Uid) -> VolumeFacts | None:
        call = await self._steps.begin("volumes.read")
        await self._steps.end(call)
        return self._describe(volume) if volume in self._world.volumes else None

    def _describe(self, volume: Uid) -> VolumeFacts:
        return VolumeFacts(
            uid=volume,
            mounted=volume in self._world.volume_mounts,
            parts=len(self._world.list_volume_users(volume)),
        )

    async def ensure(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.ensure")
        self._world.volumes.setdefault(volume, [])
        await self._steps.end(call)

    async def mount(self, volume: VolumeWant) -> None:
        call = await self._steps.begin("volumes.mount")
        if volume.uid not in self._world.volumes:
            raise NotFound(f"volume {volume.uid} has no directory")
        if volume.driven is not None:
            path = await self._drivers.mount(volume.driven)
            shown = VolumeMount(kind="none", device=path, options=("rbind",))
            self._world.volume_mounts.setdefault(volume.uid, shown)
        if volume.mount is not None:
            self._world.volume_mounts.setdefault(volume.uid, volume.mount)
        await self._steps.end(call)

    async def unmount(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.unmount")
        if not self._world.list_volume_users(volume):
            self._world.volume_mounts.pop(volume, None)
        await self._steps.end(call)

    async def delete(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.delete")
        if volume in self._world.volume_mounts:
            self._world.violate(f"volume {volume} was deleted with something mounted in it")
        self._world.volumes.pop(volume, None)
        await self._steps.end(call)


class FakeVolumeContents(FakePort):
    """See VolumeContents. An archive is the paths, a line each."""

    async def prefill(self, volume: VolumeWant, source: RootWant, path: str) -> None:
        call = await self._steps.begin("volumes.prefill")
        del source
        if volume.uid not in self._world.volumes:
            raise Unavailable(f"the directory of volume {volume.uid} is gone")
        if volume.mount is not None:
            self._world.volume_mounts.setdefault(volume.uid, volume.mount)
        if not self._world.volumes[volume.uid]:
            self._world.volumes[volume.uid].append(path)
        await self._steps.end(call)

    async def copy(self, volume: Uid, source: VolumeWant) -> None:
        call = await self._steps.begin("volumes.copy")
        if volume not in self._world.volumes:
            self._world.volumes[volume] = [*self._find(source)]
        await self._steps.end(call)

    @contextlib.asynccontextmanager
    async def keeping(self, volume: VolumeWant) -> AsyncGenerator[None]:
        self._find(volume)
        yield

    @contextlib.asynccontextmanager
    async def reading(self, volume: VolumeWant) -> AsyncGenerator[AsyncIterator[bytes]]:
        call = await self._steps.begin("volumes.reading")
        lines = [f"{path}\n".encode() for path in self._find(volume)]

        async def read() -> AsyncIterator[bytes]:
            for line in lines:
                yield line

        yield read()
        await self._steps.end(call)

    async def restore(self, volume: VolumeWant, chunks: AsyncIterator[bytes], *, force: bool) -> None:
        call = await self._steps.begin("volumes.restore")
        self._check_empty(volume, force=force)
        text = b"".join([chunk async for chunk in chunks]).decode()
        self._world.volumes[volume.uid] = text.splitlines()
        await self._steps.end(call)

    async def revert(self, volume: VolumeWant, source: VolumeWant, *, force: bool) -> None:
        call = await self._steps.begin("volumes.revert")
        self._check_empty(volume, force=force)
        self._world.volumes[volume.uid] = [*self._find(source)]
        await self._steps.end(call)

    def _find(self, volume: VolumeWant) -> Sequence[str]:
        if volume.uid not in self._world.volumes:
            raise NotFound(f"volume {volume.uid} has no directory")
        return self._world.volumes[volume.uid]

    def _check_empty(self, volume: VolumeWant, *, force: bool) -> None:
        if self._find(volume) and not force:
            raise Conflict(f"volume {volume.uid} is not empty: replace all of it by --force")


class FakeImages(FakePort):
    """See Images. An archive is a text by path; what it says decides the digest."""

    async def list(self) -> tuple[ImageFacts, ...]:
        call = await self._steps.begin("images.list")
        await self._steps.end(call)
        return tuple(self._world.images.values())

    async def find(self, digest: str) -> ImageFacts | None:
        call = await self._steps.begin("images.find")
        await self._steps.end(call)
        images = self._world.images.values()
        return next((each for each in images if digest in (each.id, each.manifest_digest)), None)

    async def import_archive(self, path: str, config: ImageConfig, *, name: str) -> ImageFacts:
        del name
        return await self._import("images.import_archive", path, config)

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        return await self._import("images.import_directory", path, config)

    async def _import(self, name: str, path: str, config: ImageConfig) -> ImageFacts:
        call = await self._steps.begin(name)
        content = self._world.archives.get(path)
        if content is None:
            raise NotFound(f"{path} does not exist")
        layer = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        text = layer + config.model_dump_json()
        image_id = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        facts = ImageFacts(
            id=image_id,
            manifest_digest="sha256:" + hashlib.sha256(image_id.encode()).hexdigest(),
            config=config,
            layers=(layer,),
            size_bytes=len(content),
        )
        self._world.images[image_id] = facts
        await self._steps.end(call)
        return facts

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        call = await self._steps.begin("images.delete")
        del keep
        self._world.images.pop(image_id, None)
        await self._steps.end(call)

    async def discard(self, image_id: str, *, keep: frozenset[str]) -> bool:
        await self.delete(image_id, keep=keep)
        return True

    async def collect(self, *, keep: frozenset[str]) -> Reclaimed:
        """Find nothing: layers of a fake store go with their image, so that there is no step to interrupt."""
        del keep
        return Reclaimed()
