"""Images as people ask for them: lists, inspection, further names, removal."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.api.admission import Gate
from controller.api.convert import to_proto, to_timestamp
from controller.api.v1 import image_pb2
from controller.errors import NotFound, Unavailable
from controller.model.changes import Decision, Draft, Snapshot
from controller.model.facts import ImageFacts
from controller.model.ids import Key
from controller.model.image import ImageSource, ImageSpec, complete_image_name
from controller.plan.admission import CLI_MANAGER, ApplyBatch, HostNeed, decide_apply
from controller.plan.image_document import ImageDocument, align_history, parse_document
from controller.plan.image_names import ImageIndex, derive_repository_digest
from controller.plan.image_removal import ImageRemoval, decide_image_removal
from controller.ports.library import DanglingContent, ImageContents
from controller.ports.usage import DiskUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    """What the library needs besides the gate."""

    contents: ImageContents
    dangling: DanglingContent
    usage: DiskUsage


class ImageLibrary:
    """Joins the Image objects of the store with their content."""

    def __init__(self, *, gate: Gate, parts: ImageParts) -> None:
        self._gate = gate
        self._parts = parts

    def lease(self) -> AbstractContextManager[None]:
        """Return a context in which content that comes in is kept until an Image stands for it."""
        return self._parts.contents.lease()

    async def list(self) -> image_pb2.ListImagesResponse:
        """Return every image by name, then dangling content."""
        contents = await self._parts.contents.list()
        roots = await self._parts.dangling.find_roots()
        snapshot = self._gate.store.snapshot()
        index = ImageIndex(snapshot, contents, roots)
        ids = dict.fromkeys(index.ids[name] or name for name in index.images)
        summaries = [
            summarize(index, index.list_names(each) if each in index.contents else (each,)) for each in ids
        ]
        dangling = []
        for facts in index.list_dangling():
            dangling.append(summarize_content(facts))
            dangling[-1].containers.extend(index.list_holders(facts))
        return image_pb2.ListImagesResponse(images=[*summaries, *dangling])

    async def inspect(self, word: str) -> image_pb2.InspectImageResponse:
        """Return one image with its document. NotFound, also while the content is not there."""
        contents = await self._parts.contents.list()
        snapshot = self._gate.store.snapshot()
        index = ImageIndex(snapshot, contents)
        match = index.find(word)
        facts = index.contents.get(match.image_id)
        if facts is None:
            raise NotFound(
                f"the content of image {word} is not there yet: `hold describe image {word}` tells why"
            )
        content = await self._parts.contents.read_document(facts.id)
        document = parse_document(content)
        sizes = await self._parts.contents.find_layer_sizes(facts.layers)
        layer_sizes = {layer: sizes.get(layer, 0) for layer in facts.layers}
        summary = summarize(index, match.names) if match.names else summarize_content(facts)
        return image_pb2.InspectImageResponse(
            image=summary,
            document=content.decode(),
            history=_convert_history(document, tuple(layer_sizes.values())),
            layers=_convert_layers(document, layer_sizes),
            manifest_digest=facts.manifest_digest,
        )

    async def tag(self, request: image_pb2.TagImageRequest) -> image_pb2.TagImageResponse:
        """Give content a further name in one transaction."""
        with self._parts.contents.lease():
            return await self._tag(request)

    async def _tag(self, request: image_pb2.TagImageRequest) -> image_pb2.TagImageResponse:
        contents = await self._parts.contents.list()
        source = ImageIndex(self._gate.store.snapshot(), contents).find(request.source)
        await self._parts.contents.find(source.image_id)  # from here on it is kept, whatever is collected
        manager = request.manager or CLI_MANAGER
        admission = await self._gate.read_context(HostNeed.NOTHING)

        def decide(snapshot: Snapshot) -> Decision:
            index = ImageIndex(snapshot, contents)
            image_id = index.find(request.source).image_id
            facts = index.contents.get(image_id)
            if facts is None:
                raise NotFound(
                    f"the content of image {request.source} is not there yet: wait until it is Ready"
                )
            draft = Draft(
                key=Key("Image", complete_image_name(request.target)),
                spec=ImageSpec(source=ImageSource(stored=facts.manifest_digest)),
                labels={},
                annotations={},
            )
            batch = ApplyBatch(drafts=(draft,), manager=manager, force=request.force)
            return decide_apply(snapshot, batch, admission)

        committed = await self._gate.store.commit(decide)
        return image_pb2.TagImageResponse(resource=to_proto(committed.resources[0]))

    async def remove(self, request: image_pb2.RemoveImagesRequest) -> image_pb2.RemoveImagesResponse:
        """Remove names and content in one transaction, dangling content after it."""
        contents = await self._parts.contents.list()
        roots = await self._parts.dangling.find_roots()
        removals: list[ImageRemoval] = []

        def decide(snapshot: Snapshot) -> Decision:
            removals[:] = [
                decide_image_removal(
                    snapshot,
                    ImageIndex(snapshot, contents, roots),
                    list(request.names),
                    manager=request.manager or CLI_MANAGER,
                    force=request.force,
                )
            ]
            return removals[0].decision

        committed = await self._gate.store.commit(decide)
        removal = removals[0]
        if removal.dangling:
            await self._discard(removal.dangling)
        return image_pb2.RemoveImagesResponse(
            untagged=removal.untagged, deleted=removal.deleted, revision=committed.revision
        )

    async def _discard(self, dangling: tuple[str, ...]) -> None:
        removed = await self._parts.dangling.remove(dangling)
        if left := sorted(set(dangling) - set(removed.images)):
            raise Unavailable(f"somebody is about to use the content {', '.join(left)}: try again later")


def summarize(index: ImageIndex, names: tuple[str, ...]) -> image_pb2.ImageSummary:
    """Return the summary of an image that has names."""
    images = [index.images[name] for name in names]
    facts = index.contents.get(index.ids[names[0]])
    digests = [derive_repository_digest(image) for image in images]
    summary = image_pb2.ImageSummary() if facts is None else summarize_content(facts)
    summary.names.extend(names)
    summary.repository_digests.extend(dict.fromkeys(filter(None, digests)))
    summary.containers.extend(index.list_users(names))
    if not summary.HasField("created_at"):
        summary.created_at.FromDatetime(images[0].metadata.created_at or datetime.fromtimestamp(0, UTC))
    return summary


def summarize_content(facts: ImageFacts) -> image_pb2.ImageSummary:
    """Return the summary of content alone."""
    created_at = None if facts.created_at is None else datetime.fromtimestamp(facts.created_at, UTC)
    return image_pb2.ImageSummary(
        id=facts.id,
        created_at=to_timestamp(created_at),
        size_bytes=facts.size_bytes,
        labels=facts.config.labels,
        architecture=facts.architecture,
        os=facts.os,
    )


def _convert_history(document: ImageDocument, sizes: tuple[int, ...]) -> list[image_pb2.ImageHistoryEntry]:
    steps = reversed(align_history(document, sizes))
    return [
        image_pb2.ImageHistoryEntry(
            created_at=to_timestamp(step.entry.created_at),
            created_by=step.entry.created_by,
            author=step.entry.author,
            comment=step.entry.comment,
            size_bytes=step.size_bytes,
            empty_layer=step.entry.empty_layer,
        )
        for step in steps
    ]


def _convert_layers(document: ImageDocument, sizes: Mapping[str, int]) -> list[image_pb2.ImageLayer]:
    pairs = zip(sizes.items(), document.diff_ids, strict=False)
    return [
        image_pb2.ImageLayer(chain_id=chain_id, diff_id=diff_id, size_bytes=size)
        for (chain_id, size), diff_id in pairs
    ]
