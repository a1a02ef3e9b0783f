"""RegistryService: images from registries and to them."""

from typing import Any

from controller.api.admission import Gate
from controller.api.image_pull import ImagePull, read_credential, read_reference
from controller.api.image_push import ImagePush
from controller.api.status import reported
from controller.api.v1 import registry_pb2, registry_pb2_grpc
from controller.errors import Invalid, Violation
from controller.model.image_reference import DEFAULT_REGISTRY, parse_registry
from controller.ports import Registries

_USUAL_RESULTS, _MOST_RESULTS = 25, 100


class RegistryService(registry_pb2_grpc.RegistryServiceServicer):
    """Implements hold.v1.RegistryService."""

    def __init__(self, *, gate: Gate, registries: Registries) -> None:
        self._registries = registries
        self._pull = ImagePull(gate=gate, registries=registries)
        self._push = ImagePush(gate=gate, registries=registries)

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def PullImage(  # type: ignore[override]
        self, request: registry_pb2.PullImageRequest, context: Any
    ) -> None:
        """See the proto."""
        async with reported(context):
            await self._pull.serve(request, context.write)

    # grpc.aio takes a coroutine that writes as well as a generator; the stubs know only the latter.
    async def PushImage(  # type: ignore[override]
        self, request: registry_pb2.PushImageRequest, context: Any
    ) -> None:
        """See the proto."""
        async with reported(context):
            await self._push.serve(request, context.write)

    async def ListTags(self, request: registry_pb2.ListTagsRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            reference = read_reference(request.repository, "repository")
            tags = await self._registries.list_tags(reference, credential=read_credential(request))
            return registry_pb2.ListTagsResponse(tags=tags)

    async def SearchImages(self, request: registry_pb2.SearchImagesRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            registry, term = split_search(request.term)
            limit = min(request.limit or _USUAL_RESULTS, _MOST_RESULTS)
            if limit < 1:
                raise Invalid.of([Violation(field="limit", message=f"is not between 1 and {_MOST_RESULTS}")])
            found = await self._registries.search(
                registry, term, limit=limit, credential=read_credential(request)
            )
            images = [
                registry_pb2.SearchedImage(
                    name=_complete_name(registry, each.name),
                    description=each.description,
                    stars=each.stars,
                    official=each.official,
                )
                for each in found
            ]
            return registry_pb2.SearchImagesResponse(images=images)

    async def CheckLogin(self, request: registry_pb2.CheckLoginRequest, context: Any) -> Any:
        """See the proto."""
        async with reported(context):
            try:
                registry = parse_registry(request.registry)
            except ValueError as error:
                raise Invalid.of([Violation(field="registry", message=str(error))]) from error
            credential = read_credential(request)
            if credential.is_empty:
                raise Invalid.of([Violation(field="credential", message="say who logs in")])
            await self._registries.check_login(registry, credential)
            return registry_pb2.CheckLoginResponse(registry=registry)


def _complete_name(registry: str, name: str) -> str:
    """Return a result's name in the form that can be pulled."""
    is_whole = registry == DEFAULT_REGISTRY or name.startswith(f"{registry}/")
    return name if is_whole else f"{registry}/{name}"


def split_search(text: str) -> tuple[str, str]:
    """Return registry and term of `TERM` or `REGISTRY[:PORT]/TERM`; Invalid when the term is empty."""
    first, slash, rest = text.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    try:
        registry, term = (parse_registry(first), rest) if named else (DEFAULT_REGISTRY, text)
    except ValueError as error:
        raise Invalid.of([Violation(field="term", message=str(error))]) from error
    if not term.strip("/ "):
        raise Invalid.of([Violation(field="term", message="name what to search for")])
    return registry, term
