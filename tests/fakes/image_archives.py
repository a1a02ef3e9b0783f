"""Archives of images that are one line: `ID NAME NAME...` for each image."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

from controller.errors import Invalid
from controller.model.archives import LoadedImage, SavedImage
from controller.model.facts import ImageFacts
from controller.model.image import ImageConfig


@dataclass(kw_only=True)
class PlayedArchives:
    """See ImageArchives. `loaded` is what came in; nothing of an archive that breaks off."""

    loaded: list[LoadedImage] = field(default_factory=list)

    async def load(self, chunks: AsyncIterator[bytes]) -> tuple[LoadedImage, ...]:
        text = b"".join([chunk async for chunk in chunks]).decode()
        if not text.strip():
            raise Invalid("the archive has neither index.json nor manifest.json: it is no image archive")
        images = tuple(_read_line(line) for line in text.splitlines())
        self.loaded += images
        return images

    async def save(self, images: Sequence[SavedImage]) -> AsyncGenerator[bytes]:
        for image in images:
            yield f"{image.manifest_digest} {' '.join(image.names)}\n".encode()


def _read_line(line: str) -> LoadedImage:
    image_id, *names = line.split()
    facts = ImageFacts(
        id=image_id, manifest_digest=f"{image_id}-manifest", config=ImageConfig(), layers=(), size_bytes=1
    )
    return LoadedImage(names=tuple(names), facts=facts)
