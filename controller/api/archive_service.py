"""ArchiveService: archives of images, in and out."""

import contextlib
from dataclasses import dataclass
from typing import Any

from controller.api.admission import Gate
from controller.api.status import reported
from controller.api.uploads import list_chunks
from controller.api.v1 import archive_pb2, archive_pb2_grpc
from controller.errors import Invalid, NotFound, Violation
from controller.model.archives import LoadedImage, SavedImage
from controller.model.changes import Draft
from controller.model.ids import Key
from controller.model.image import ImageSource, ImageSpec
from controller.plan.admission import CLI_MANAGER, ApplyBatch
from controller.plan.image_names import ImageIndex
from controller.ports.image_archives import ImageArchives
from controller.ports.library import ImageContents

_BROKEN = "the upload broke off before its end: nothing was changed, send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveParts:
    """What archives are made of and end in."""

    archives: ImageArchives
    contents: ImageContents


class ArchiveService(archive_pb2_grpc.ArchiveServiceServicer):
    """Implements hold.v1.ArchiveService."""

    def __init__(self, *, gate: Gate, parts: ArchiveParts) -> None:
        self._gate = gate
        self._parts = parts

    async def LoadImages(self, request_iterator: Any, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            requests = aiter(request_iterator)
            first: archive_pb2.LoadImagesRequest | None = await anext(requests, None)
            if first is None or first.WhichOneof("message") != "start":
                raise Invalid("the first message has to carry start")
            with self._parts.contents.lease():
                loaded = await self._parts.archives.load(list_chunks(requests, broken=_BROKEN))
                drafts = tuple(draft for image in loaded for draft in _draft(image))
                if drafts:
                    manager = first.start.manager or CLI_MANAGER
                    await self._gate.apply(
                        ApplyBatch(drafts=drafts, manager=manager, force=first.start.force)
                    )
            images = [archive_pb2.LoadedImage(id=each.facts.id, names=each.names) for each in loaded]
            return archive_pb2.LoadImagesResponse(images=images)

    async def SaveImages(self, request: archive_pb2.SaveImagesRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            images = await self._resolve(list(request.names))
            async with contextlib.aclosing(self._parts.archives.save(images)) as chunks:
                async for chunk in chunks:
                    yield archive_pb2.SaveImagesResponse(chunk=chunk)

    async def _resolve(self, words: list[str]) -> list[SavedImage]:
        """Return what words mean; several names of one image make one entry. NotFound, Invalid."""
        if not words:
            raise Invalid.of([Violation(field="names", message="name at least one image")])
        contents = await self._parts.contents.list()
        index = ImageIndex(self._gate.store.snapshot(), contents)
        names: dict[str, list[str]] = {}
        for word in words:
            match = index.find(word)
            facts = index.contents.get(match.image_id)
            if facts is None:
                raise NotFound(f"the content of image {word} is not there yet: wait until it is Ready")
            names.setdefault(facts.manifest_digest, []).extend(filter(None, [match.name]))
        return [
            SavedImage(manifest_digest=digest, names=tuple(dict.fromkeys(given)))
            for digest, given in names.items()
        ]


def _draft(image: LoadedImage) -> list[Draft]:
    """Return an Image object for each name."""
    spec = ImageSpec(source=ImageSource(stored=image.facts.manifest_digest))
    return [Draft(key=Key("Image", name), spec=spec, labels={}, annotations={}) for name in image.names]
