"""Pulling for a client: content first, then the object that stands for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeGuard

from controller.api.admission import Gate
from controller.api.convert import to_proto
from controller.api.transfers import watch_transfers
from controller.api.v1 import registry_pb2
from controller.errors import Invalid, Unavailable, Violation
from controller.model.changes import Decision, Draft, Snapshot
from controller.model.ids import Key
from controller.model.image import Image, ImageSource, ImageSpec
from controller.model.image_reference import ImageReference, parse_reference
from controller.model.kinds import Resource
from controller.model.platforms import parse_platform
from controller.model.pulls import Pulled
from controller.model.registries import Credential
from controller.model.resource import is_ready
from controller.plan.admission import CLI_MANAGER, ApplyBatch, decide_apply
from controller.ports import Registries

Write = Callable[[registry_pb2.PullImageResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePull:
    """Pulls images and declares them."""

    gate: Gate
    registries: Registries

    async def serve(self, request: registry_pb2.PullImageRequest, write: Write) -> None:
        """Answer one call: for each tag its beginning, the layers on their way, and the object."""
        reference = read_reference(request.reference, "reference")
        _check_platform(request.platform)
        for each in await self._list_references(request, reference):
            await write(registry_pb2.PullImageResponse(begun=each.familiar))
            present = self._find(each)
            if request.only_missing and present is not None and is_ready(present.status):
                await self._tell(present, present.status.digest, write, newer=False)
            else:
                await self._pull(each, request, present, write)

    async def _list_references(
        self, request: registry_pb2.PullImageRequest, reference: ImageReference
    ) -> list[ImageReference]:
        if not request.all_tags:
            return [reference.complete()]
        if reference.tag or reference.digest:
            raise Invalid.of(
                [Violation(field="reference", message="has a tag or digest, and all tags are asked for")]
            )
        tags = await self.registries.list_tags(reference, credential=read_credential(request))
        return [reference.tagged(tag) for tag in tags]

    def _find(self, reference: ImageReference) -> Image | None:
        found = self.gate.store.snapshot().get(Key("Image", reference.familiar))
        return found if isinstance(found, Image) else None

    async def _pull(
        self,
        reference: ImageReference,
        request: registry_pb2.PullImageRequest,
        present: Image | None,
        write: Write,
    ) -> None:
        platform = request.platform or _find_declared_platform(present, reference)
        pulled = await watch_transfers(
            lambda report: self.registries.pull(
                reference,
                platform=parse_platform(platform) if platform else None,
                credential=read_credential(request),
                report=report,
            ),
            lambda layer: write(registry_pb2.PullImageResponse(layer=layer)),
        )
        image = await self._declare(pulled, platform)
        before = present.status.digest if present is not None else ""
        await self._tell(image, pulled.digest, write, newer=before != pulled.facts.manifest_digest)

    async def _declare(self, pulled: Pulled, platform: str) -> Image:
        """Write the object and wait until the loop has seen its content."""
        context = await self.gate.read_context()
        key = Key("Image", pulled.reference.familiar)

        def decide(snapshot: Snapshot) -> Decision:
            return decide_apply(snapshot, _make_batch(snapshot, key, pulled, platform), context)

        committed = await self.gate.store.commit(decide)
        uid, digest = committed.resources[0].metadata.uid, pulled.facts.manifest_digest
        present = self.gate.store.snapshot().get(key)
        if _is_there(present, uid, digest):
            return present
        async for change in self.gate.store.watch(committed.revision):
            if _is_there(change.resource, uid, digest):
                return change.resource
            if change.resource.metadata.uid == uid and change.resource.metadata.deleted_at is not None:
                break
        raise Unavailable(f"image {key.name} was deleted while it was pulled: pull it again")

    async def _tell(self, image: Image, digest: str, write: Write, *, newer: bool) -> None:
        message = registry_pb2.PulledImage(resource=to_proto(image), digest=digest, newer=newer)
        await write(registry_pb2.PullImageResponse(image=message))


def _is_there(resource: Resource | None, uid: str | None, digest: str) -> TypeGuard[Image]:
    """Tell whether the object stands for the content by now."""
    if not isinstance(resource, Image) or resource.metadata.uid != uid:
        return False
    return is_ready(resource.status) and resource.status.digest == digest


def _make_batch(snapshot: Snapshot, key: Key, pulled: Pulled, platform: str) -> ApplyBatch:
    """Return the batch that makes the object stand for what was pulled; one declared the same way stays its manager's."""
    source = ImageSource(registry=pulled.reference.familiar, platform=platform or None)
    stored = snapshot.get(key)
    manager, labels, annotations = CLI_MANAGER, {}, {}
    if isinstance(stored, Image) and stored.spec.source == source:
        manager, labels = stored.metadata.manager, stored.metadata.labels
        annotations = stored.metadata.annotations
    draft = Draft(key=key, spec=ImageSpec(source=source), labels=labels, annotations=annotations)
    return ApplyBatch(drafts=(draft,), manager=manager, pulled={key: pulled.facts.manifest_digest})


def _find_declared_platform(present: Image | None, reference: ImageReference) -> str:
    """Return the platform of the object that is there, if it is of the same reference."""
    source = present.spec.source if present is not None else None
    return (source.platform or "") if source is not None and source.registry == reference.familiar else ""


def read_reference(text: str, field: str) -> ImageReference:
    """Return the reference; Invalid names the field."""
    try:
        return parse_reference(text)
    except ValueError as error:
        raise Invalid.of([Violation(field=field, message=str(error))]) from error


def read_credential(
    request: registry_pb2.PullImageRequest
    | registry_pb2.PushImageRequest
    | registry_pb2.ListTagsRequest
    | registry_pb2.SearchImagesRequest
    | registry_pb2.CheckLoginRequest,
) -> Credential:
    """Return what the client handed over, an empty one for nobody."""
    given = request.credential
    return Credential(
        username=given.username,
        password=given.password,
        identity_token=given.identity_token,
        registry_token=given.registry_token,
    )


def _check_platform(text: str) -> None:
    try:
        parse_platform(text or "linux/amd64")
    except ValueError as error:
        raise Invalid.of([Violation(field="platform", message=str(error))]) from error
