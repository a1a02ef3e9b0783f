"""Volumes and images of a fake machine."""

import hashlib

from controller.errors import NotFound
from controller.model.facts import (
    ImageFacts,
)
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.usage import Reclaimed
from controller.model.wants import (
    RootWant,
)
from tests.fakes.port import FakePort


class FakeVolumes(FakePort):
    """See VolumeDirectories. A volume is the list of paths that were copied into it."""

    async def list(self) -> tuple[Uid, ...]:
        call = await self._steps.begin("volumes.list")
        await self._steps.end(call)
        return tuple(self._world.volumes)

    async def ensure(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.ensure")
        self._world.volumes.setdefault(volume, [])
        await self._steps.end(call)

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        call = await self._steps.begin("volumes.prefill")
        del source
        if volume not in self._world.volumes:
            raise NotFound(f"volume {volume} has no directory")
        if not self._world.volumes[volume]:
            self._world.volumes[volume].append(path)
        await self._steps.end(call)

    async def delete(self, volume: Uid) -> None:
        call = await self._steps.begin("volumes.delete")
        self._world.volumes.pop(volume, None)
        await self._steps.end(call)


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
