"""ImageService: content that comes from a client."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from pydantic import ValidationError

from controller.api.admission import Gate
from controller.api.convert import to_fields, to_proto
from controller.api.image_library import ImageLibrary
from controller.api.status import reported
from controller.api.uploads import list_chunks
from controller.api.v1 import image_pb2, image_pb2_grpc, resource_pb2
from controller.errors import Invalid, Violation
from controller.model.changes import Draft
from controller.model.facts import ImageFacts
from controller.model.ids import Key
from controller.model.image import ImageConfig, ImageSource, ImageSpec, complete_image_name
from controller.model.platforms import Platform, parse_platform
from controller.model.provenance import Provenance
from controller.model.validation import list_violations
from controller.plan.admission import ApplyBatch

_BROKEN = "the upload broke off before its end: nothing was changed, send it again"


class Importer(Protocol):
    """Takes in an archive that is streamed, whole or not at all."""

    async def receive(
        self, chunks: AsyncIterator[bytes], config: ImageConfig, provenance: Provenance
    ) -> ImageFacts:
        """Store the archive as an image; an error that `chunks` raises passes through and nothing is kept."""
        ...


class ImageService(image_pb2_grpc.ImageServiceServicer):
    """Implements hold.v1.ImageService."""

    def __init__(self, *, gate: Gate, importer: Importer, library: ImageLibrary) -> None:
        self._gate = gate
        self._importer = importer
        self._library = library

    async def Import(self, request_iterator: Any, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            requests = aiter(request_iterator)
            first: image_pb2.ImportRequest | None = await anext(requests, None)
            if first is None or first.WhichOneof("message") != "start":
                raise Invalid("the first message has to carry start")
            start = first.start
            if not start.name:
                raise Invalid.of([Violation(field="name", message="name the image")])
            config = read_config(start.config)
            provenance = Provenance(
                created_at=self._gate.clock.now(),
                comment=start.message,
                platform=_read_platform(start.platform),
            )
            with self._library.lease():
                facts = await self._importer.receive(
                    list_chunks(requests, broken=_BROKEN), config, provenance
                )
                draft = Draft(
                    key=Key("Image", complete_image_name(start.name)),
                    spec=ImageSpec(source=ImageSource(stored=facts.manifest_digest)),
                    labels=dict(start.labels),
                    annotations={},
                )
                committed = await self._gate.apply(ApplyBatch(drafts=(draft,)))
            return image_pb2.ImportResponse(resource=to_proto(committed.resources[0]))

    async def ListImages(self, request: image_pb2.ListImagesRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._library.list()

    async def InspectImage(self, request: image_pb2.InspectImageRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._library.inspect(request.name)

    async def TagImage(self, request: image_pb2.TagImageRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._library.tag(request)

    async def RemoveImages(self, request: image_pb2.RemoveImagesRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            return await self._library.remove(request)


def read_config(message: resource_pb2.ImageConfig) -> ImageConfig:
    """Return what a message says of how containers are run; Invalid names the fields."""
    try:
        return ImageConfig.model_validate(to_fields(message))
    except ValidationError as error:
        violations = list_violations(error, ImageConfig, "config")
        raise Invalid.of([violation for _, violation in violations]) from error


def _read_platform(text: str) -> Platform | None:
    try:
        return parse_platform(text) if text else None
    except ValueError as error:
        raise Invalid.of([Violation(field="platform", message=str(error))]) from error
