"""How much disk everything takes, and the removal of what nobody needs."""

from collections.abc import Iterable
from datetime import UTC

from controller.api.admission import Gate
from controller.api.convert import to_timestamp
from controller.api.image_library import ImageParts
from controller.api.listing import check_kind
from controller.api.v1 import state_pb2, system_pb2
from controller.errors import Invalid, Violation
from controller.model.changes import Decision, Snapshot
from controller.model.ids import KINDS
from controller.model.mounts import MountType
from controller.model.usage import NOTHING, Removed
from controller.plan.admission import CLI_MANAGER
from controller.plan.image_names import ImageIndex
from controller.plan.prune import LabelTest, PruneWish, Pruning, decide_prune
from controller.plan.usage import (
    ContainerUsage,
    ImageUsage,
    StoreFacts,
    VolumeUsage,
    derive_freed,
    derive_usage,
    sum_parts,
)


class Housekeeping:
    """Measures and clears up."""

    def __init__(self, *, gate: Gate, parts: ImageParts) -> None:
        self._gate = gate
        self._parts = parts

    async def measure(self) -> system_pb2.GetDiskUsageResponse:
        """Return what is on disk now."""
        disk = await self._parts.usage.measure()
        index = await self._read_images(self._gate.store.snapshot())
        usage = derive_usage(self._gate.store.snapshot(), index, disk, await self._read_store(index))
        return system_pb2.GetDiskUsageResponse(
            totals=[
                system_pb2.KindDiskUsage(
                    kind=each.kind,
                    total=each.total,
                    active=each.active,
                    size_bytes=each.size_bytes,
                    reclaimable_bytes=each.reclaimable_bytes,
                )
                for each in usage.totals
            ],
            images=map(_convert_image, usage.images),
            containers=map(_convert_container, usage.containers),
            volumes=map(_convert_volume, usage.volumes),
        )

    async def prune(self, request: system_pb2.PruneRequest) -> system_pb2.PruneResponse:
        """Remove what nobody needs; the answer tells what, also when nothing is to be removed yet."""
        wish = read_wish(request)
        disk = NOTHING if wish.kinds <= {"Network"} else await self._parts.usage.measure()
        contents = await self._parts.contents.list()
        roots = await self._parts.dangling.find_roots()
        prunings: list[tuple[Snapshot, Pruning]] = []

        def decide(snapshot: Snapshot) -> Decision:
            pruning = decide_prune(snapshot, ImageIndex(snapshot, contents, roots), wish)
            prunings[:] = [(snapshot, pruning)]
            return pruning.decision

        revision = self._gate.store.revision()
        if request.dry_run:
            decide(self._gate.store.snapshot())
        else:
            revision = (await self._gate.store.commit(decide)).revision
        snapshot, pruning = prunings[0]
        index = ImageIndex(snapshot, contents, roots)
        store = await self._read_store(index)
        removed = Removed(images=tuple(facts.id for facts in pruning.dangling))
        if not request.dry_run and "Image" in wish.kinds:
            removed = await self._parts.dangling.remove(removed.images)
        names = sorted(key.name for key in pruning.keys if key.kind == "Image")
        images = [*index.list_unneeded(names), *removed.images]
        gone = [snapshot[key] for key in pruning.keys]
        return system_pb2.PruneResponse(
            keys=[state_pb2.Key(kind=key.kind, name=key.name) for key in pruning.keys],
            uids=[each.metadata.uid or "" for each in gone],
            deleted_images=images,
            reclaimed_bytes=derive_freed(disk, store, gone, images)
            + sum_parts(disk, removed.leftover_digests),
            revision=revision,
        )

    async def _read_images(self, snapshot: Snapshot) -> ImageIndex:
        return ImageIndex(snapshot, await self._parts.contents.list())

    async def _read_store(self, index: ImageIndex) -> StoreFacts:
        """Return what images are made of, and which of their layers containers stand on."""
        contents = self._parts.contents
        return StoreFacts(
            parts={image_id: await contents.list_parts(image_id) for image_id in index.contents},
            layers_in_use=tuple(await self._parts.dangling.find_roots()),
        )


def read_wish(request: system_pb2.PruneRequest) -> PruneWish:
    """Return the wish of a request. Invalid when a kind or a label can't be read."""
    for kind in request.kinds:
        check_kind(kind or "none")
    return PruneWish(
        kinds=frozenset(kind for kind in KINDS if kind in request.kinds),
        all_images=request.all_images,
        all_volumes=request.all_volumes,
        until=request.until.ToDatetime(tzinfo=UTC) if request.HasField("until") else None,
        labels=tuple(_read_labels(request.labels)),
        manager=request.manager or CLI_MANAGER,
    )


def _read_labels(texts: Iterable[str]) -> Iterable[LabelTest]:
    for text in texts:
        name, equals, value = text.removeprefix("!").partition("=")
        if not name:
            message = f"{text!r} is not a label: write NAME, NAME=VALUE, !NAME or !NAME=VALUE"
            raise Invalid.of([Violation(field="labels", message=message)])
        yield LabelTest(name=name, value=value if equals else None, negated=text.startswith("!"))


def _convert_image(usage: ImageUsage) -> system_pb2.ImageDiskUsage:
    return system_pb2.ImageDiskUsage(
        id=usage.id,
        names=usage.names,
        created_at=to_timestamp(usage.created_at),
        size_bytes=usage.size_bytes,
        shared_bytes=usage.shared_bytes,
        containers=usage.containers,
    )


def _convert_container(usage: ContainerUsage) -> system_pb2.ContainerDiskUsage:
    metadata, spec, status = usage.container.metadata, usage.container.spec, usage.container.status
    return system_pb2.ContainerDiskUsage(
        name=metadata.name,
        uid=metadata.uid or "",
        image=spec.image or spec.rootfs or "",
        command=[*(spec.entrypoint or ()), *(spec.command or ())],
        size_bytes=usage.size_bytes,
        writable_bytes=usage.writable_bytes,
        created_at=to_timestamp(metadata.created_at),
        phase=status.phase,
        volumes=sum(mount.type is MountType.VOLUME for mount in spec.mounts),
    )


def _convert_volume(usage: VolumeUsage) -> system_pb2.VolumeDiskUsage:
    return system_pb2.VolumeDiskUsage(
        name=usage.volume.metadata.name, size_bytes=usage.size_bytes, containers=usage.containers
    )
