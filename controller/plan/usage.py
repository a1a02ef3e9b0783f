"""How much disk each object takes, and how much of it is not needed; what is shared is counted once in totals."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.model.changes import Snapshot
from controller.model.container import Container, Phase
from controller.model.ids import Key, KindName, Uid
from controller.model.kinds import Resource
from controller.model.usage import ContainerSize, DiskFacts, TreeSize
from controller.model.volume import Volume
from controller.plan.admission.references import list_uses
from controller.plan.image_names import ImageIndex

_RUNNING = (Phase.RUNNING, Phase.PAUSED, Phase.STOPPING, Phase.CREATING)
_NOTHING = TreeSize()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """The image store: the digests that each image is made of, and the layers that mounted roots stand on."""

    parts: Mapping[str, frozenset[str]]
    layers_in_use: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUsage:
    """An image's bytes on disk: layers, documents, packed layers. `shared_bytes` of them other images need as well."""

    id: str
    names: tuple[str, ...]
    created_at: datetime | None
    size_bytes: int
    shared_bytes: int
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUsage:
    """A container's bytes on disk: all of it, and the writable layer alone."""

    container: Container
    size_bytes: int
    writable_bytes: int
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeUsage:
    """A volume's bytes on disk, and who uses it."""

    volume: Volume
    size_bytes: int
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindUsage:
    """All of one kind: how many, how many of them in use, bytes, and bytes that nothing in use needs."""

    kind: KindName
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Everything, with totals in the order images, containers, volumes."""

    images: tuple[ImageUsage, ...]
    containers: tuple[ContainerUsage, ...]
    volumes: tuple[VolumeUsage, ...]
    totals: tuple[KindUsage, ...]


def derive_usage(snapshot: Snapshot, index: ImageIndex, disk: DiskFacts, store: StoreFacts) -> Usage:
    """Return what is used by whom. The sum of the totals is what lies on disk, but for data of objects that are gone."""
    users = _index_containers(snapshot.values())
    images = _derive_images(index, disk, store, users)
    containers = tuple(
        _derive_container(resource, disk)
        for _, resource in sorted(snapshot.items())
        if isinstance(resource, Container)
    )
    volumes = tuple(
        VolumeUsage(
            volume=resource,
            size_bytes=disk.volumes.get(_uid_of(resource), _NOTHING).allocated_bytes,
            containers=users.get(key, ()),
        )
        for key, resource in sorted(snapshot.items())
        if isinstance(resource, Volume)
    )
    needed = {part for image in images if image.containers for part in store.parts.get(image.id, ())}
    unneeded = (disk.layers.keys() | disk.documents.keys()) - needed - set(store.layers_in_use)
    total = KindUsage(
        kind="Image",
        total=len(images),
        active=sum(bool(image.containers) for image in images),
        size_bytes=disk.images.allocated_bytes,
        reclaimable_bytes=sum_parts(disk, unneeded),
    )
    totals = (
        total,
        _sum_up("Container", [(each.size_bytes, each.running) for each in containers]),
        _sum_up("Volume", [(each.size_bytes, bool(each.containers)) for each in volumes]),
    )
    return Usage(images=images, containers=containers, volumes=volumes, totals=totals)


def _sum_up(kind: KindName, sizes: Sequence[tuple[int, bool]]) -> KindUsage:
    """Return the total of objects that share nothing: bytes of each, and whether it is active."""
    return KindUsage(
        kind=kind,
        total=len(sizes),
        active=sum(active for _, active in sizes),
        size_bytes=sum(size for size, _ in sizes),
        reclaimable_bytes=sum(size for size, active in sizes if not active),
    )


def derive_freed(disk: DiskFacts, store: StoreFacts, gone: Iterable[Resource], images: Iterable[str]) -> int:
    """Return the bytes that come free when the objects go and the content of `images` with them.

    Parts that other images need, or that roots stand on, stay.
    """
    leaving = set(images)
    kept = {part for image_id, parts in store.parts.items() if image_id not in leaving for part in parts}
    parts = {part for image_id in leaving for part in store.parts.get(image_id, ())}
    freed = sum_parts(disk, parts - kept - set(store.layers_in_use))
    for resource in gone:
        if isinstance(resource, Container):
            freed += _find_container(resource, disk).whole.allocated_bytes
        elif isinstance(resource, Volume):
            freed += disk.volumes.get(_uid_of(resource), _NOTHING).allocated_bytes
    return freed


def _derive_images(
    index: ImageIndex, disk: DiskFacts, store: StoreFacts, users: Mapping[Key, tuple[str, ...]]
) -> tuple[ImageUsage, ...]:
    counts: dict[str, int] = {}
    for parts in store.parts.values():
        for part in parts:
            counts[part] = counts.get(part, 0) + 1
    usages = []
    for image_id, facts in sorted(index.contents.items()):
        names = index.list_names(image_id)
        parts = store.parts.get(image_id, frozenset())
        created_at = index.images[names[0]].metadata.created_at if names else None
        usages.append(
            ImageUsage(
                id=image_id,
                names=names,
                created_at=_read_time(facts.created_at) or created_at,
                size_bytes=sum_parts(disk, parts),
                shared_bytes=sum_parts(disk, (part for part in parts if counts[part] > 1)),
                containers=tuple(user for name in names for user in users.get(Key("Image", name), ())),
            )
        )
    return tuple(usages)


def _derive_container(container: Container, disk: DiskFacts) -> ContainerUsage:
    size = _find_container(container, disk)
    return ContainerUsage(
        container=container,
        size_bytes=size.whole.allocated_bytes,
        writable_bytes=size.writable.allocated_bytes,
        running=container.status.phase in _RUNNING,
    )


def _find_container(container: Container, disk: DiskFacts) -> ContainerSize:
    return disk.containers.get(_uid_of(container), ContainerSize(writable=_NOTHING, whole=_NOTHING))


def _index_containers(resources: Iterable[Resource]) -> dict[Key, tuple[str, ...]]:
    """Return the names of the containers that use each object."""
    users: dict[Key, tuple[str, ...]] = {}
    for resource in resources:
        for key in sorted(list_uses(resource)):
            users[key] = (*users.get(key, ()), resource.metadata.name)
    return users


def sum_parts(disk: DiskFacts, parts: Iterable[str]) -> int:
    """Return the bytes of layers by chain id and of documents by digest; a lowest layer may have both by one name."""
    return sum(
        disk.layers.get(part, _NOTHING).allocated_bytes + disk.documents.get(part, _NOTHING).allocated_bytes
        for part in parts
    )


def _uid_of(resource: Resource) -> Uid:
    return Uid(resource.metadata.uid or "")


def _read_time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
