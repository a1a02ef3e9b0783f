"""Pushing for a client: an object's content, under the object's name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.api.admission import Gate
from controller.api.image_pull import read_credential, read_reference
from controller.api.transfers import watch_transfers
from controller.api.v1 import registry_pb2
from controller.errors import Conflict, NotFound
from controller.model.changes import Snapshot
from controller.model.ids import Key
from controller.model.image import Image
from controller.model.image_reference import ImageReference, parse_reference
from controller.model.resource import is_ready
from controller.ports import PushSource, Registries

Write = Callable[[registry_pb2.PushImageResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePush:
    """Pushes images."""

    gate: Gate
    registries: Registries

    async def serve(self, request: registry_pb2.PushImageRequest, write: Write) -> None:
        """Answer one call: for each image its beginning, the layers on their way, and the digest it has there."""
        reference = read_reference(request.name, "name")
        snapshot = self.gate.store.snapshot()
        for each in _list_references(snapshot, reference, all_tags=request.all_tags):
            image = _find_image(snapshot, each)
            await write(registry_pb2.PushImageResponse(begun=each.familiar))
            source = PushSource(
                manifest_digest=image.status.digest, kindred=find_kindred(snapshot, image, each)
            )
            digest = await self._push(each, source, request, write)
            pushed = registry_pb2.PushedImage(
                reference=each.familiar, digest=digest, size_bytes=image.status.size_bytes
            )
            await write(registry_pb2.PushImageResponse(image=pushed))

    async def _push(
        self,
        reference: ImageReference,
        source: PushSource,
        request: registry_pb2.PushImageRequest,
        write: Write,
    ) -> str:
        return await watch_transfers(
            lambda report: self.registries.push(
                reference, source, credential=read_credential(request), report=report
            ),
            lambda layer: write(registry_pb2.PushImageResponse(layer=layer)),
        )


def _list_references(
    snapshot: Snapshot, reference: ImageReference, *, all_tags: bool
) -> list[ImageReference]:
    if not all_tags:
        return [reference.complete()]
    found = [
        each
        for each in map(_find_reference, sorted(key.name for key in snapshot if key.kind == "Image"))
        if each is not None and each.tag and each.familiar_name == reference.familiar_name
    ]
    if not found:
        raise NotFound(f"no image of {reference.familiar_name} is here")
    return found


def _find_reference(name: str) -> ImageReference | None:
    try:
        return parse_reference(name)
    except ValueError:
        return None


def _find_image(snapshot: Snapshot, reference: ImageReference) -> Image:
    image = snapshot.get(Key("Image", reference.familiar))
    if not isinstance(image, Image):
        raise NotFound(f"image {reference.familiar} does not exist: give an image its name by `hold tag`")
    if not is_ready(image.status) or not image.status.digest:
        raise Conflict(f"image {reference.familiar} has no content yet: wait for it to be ready")
    return image


def find_kindred(snapshot: Snapshot, image: Image, target: ImageReference) -> dict[str, str]:
    """Return, by chain id, a repository of the target's registry that an image with the same layer is named after."""
    found: dict[str, str] = {}
    for key, other in snapshot.items():
        reference = _find_reference(key.name) if isinstance(other, Image) else None
        if not isinstance(other, Image) or reference is None or reference.registry != target.registry:
            continue
        if reference.repository != target.repository:
            shared = set(other.status.layers) & set(image.status.layers)
            found.update(dict.fromkeys(shared, reference.repository))
    return found
