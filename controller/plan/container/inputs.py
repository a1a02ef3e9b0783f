"""What a decision about one container is made from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from controller.model.changes import Snapshot
from controller.model.container import Container, ContainerSpec, ContainerStatus
from controller.model.facts import (
    AttachmentFacts,
    NamespaceFacts,
    ProcessFacts,
    RootFacts,
)
from controller.model.health import HealthFacts
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.limits import LimitFacts
from controller.model.mounts import Mount, MountType
from controller.model.naming import find_peer
from controller.model.network import Network
from controller.model.volume import Volume
from controller.model.wants import RootWant
from controller.plan.container.expansion import (
    find_network_peer,
    is_fully_assigned,
    list_mounts,
    list_taken_mounts,
)
from controller.plan.container.health import Check, derive_check
from controller.plan.oci.spec_hash import derive_spec_hash
from controller.plan.oci.surroundings import HostTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDesired:
    """A container with the objects that it names, as far as they exist, and the digest of what needs a new process.

    Its mounts are all that it has: also those of other containers and of its image. `network_peer` is the container
    whose network it is on, `networks` are then the other's; `peers` are all that modes and links name.
    `is_fully_assigned` tells whether admission has chosen all that the image asks for.
    """

    container: Container
    spec_hash: str
    layout: Layout
    image: Image | None = None
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    mounted_images: Mapping[str, Image] = field(default_factory=dict)
    dependencies: Mapping[str, Container] = field(default_factory=dict)
    network_peer: Container | None = None
    peers: Mapping[str, Container] = field(default_factory=dict)
    is_fully_assigned: bool = True

    @property
    def uid(self) -> Uid:
        return Uid(self.container.metadata.uid or "")

    @property
    def status(self) -> ContainerStatus:
        return self.container.status

    @property
    def check(self) -> Check | None:
        """The health check that applies; None without one."""
        config = self.image.status.config if self.image is not None else None
        return derive_check(self.container.spec.healthcheck, config)

    @property
    def is_isolated(self) -> bool:
        """Whether the container has a network namespace of its own."""
        return self.container.spec.network_mode in (None, "none")

    @property
    def joined_namespace(self) -> Uid | None:
        """The container whose network namespace this one joins; None when it has its own, or the host's."""
        peer = self.network_peer
        return Uid(peer.metadata.uid or "") if peer is not None and peer.spec.network_mode != "host" else None

    @property
    def root(self) -> RootWant:
        """The root to mount; without layers while the image is not there."""
        spec = self.container.spec
        if spec.rootfs is not None:
            lower: tuple[str, ...] = (spec.rootfs,)
        else:
            lower = self.list_layer_paths(self.image) if self.image is not None else ()
        assigned = self.container.assigned
        base = assigned.id_base if assigned is not None and spec.user_namespace == "auto" else 0
        return RootWant(uid=self.uid, lower_paths=lower, id_base=base)

    def list_layer_paths(self, image: Image) -> tuple[str, ...]:
        """Return the directories of an image's layers, topmost first."""
        return tuple(self.layout.layer_path(layer) for layer in reversed(image.status.layers))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerObserved:
    """What the kernel has of one container. `ports_published` tells whether the host's rules lead to all its ports.

    `joined` is the namespace of the container whose network is used. `health` is None until a check has ended.
    """

    process: ProcessFacts | None = None
    root: RootFacts | None = None
    namespace: NamespaceFacts | None = None
    joined: NamespaceFacts | None = None
    attachments: tuple[AttachmentFacts, ...] = ()
    limits: LimitFacts | None = None
    health: HealthFacts | None = None
    ports_published: bool = False
    host: HostTexts | None = None


def gather_container(snapshot: Snapshot, container: Container, layout: Layout) -> ContainerDesired:
    """Return the container with what it names, looked up in the snapshot."""
    spec = container.spec
    mounts = list_mounts(snapshot, container)
    image = snapshot.get(Key("Image", spec.image)) if spec.image is not None else None
    peer = find_network_peer(snapshot, spec)
    lasting = spec
    if spec.volumes_from:
        lasting = spec.model_copy(update={"mounts": (*spec.mounts, *list_taken_mounts(snapshot, spec))})
    if mounts != spec.mounts:
        container = container.model_copy(update={"spec": spec.model_copy(update={"mounts": mounts})})
    return ContainerDesired(
        container=container,
        spec_hash=derive_spec_hash(lasting),
        layout=layout,
        image=image if isinstance(image, Image) else None,
        networks=_find_networks(snapshot, (peer or container).spec),
        volumes=_find_volumes(snapshot, mounts),
        mounted_images=_find_images(snapshot, mounts),
        dependencies=_find_containers(snapshot, spec.depends_on),
        network_peer=peer,
        peers=_find_containers(snapshot, _list_peers(peer.spec if peer is not None else spec, spec)),
        is_fully_assigned=is_fully_assigned(snapshot, container),
    )


def _list_peers(owner: ContainerSpec, spec: ContainerSpec) -> Iterator[str]:
    """Yield the names that modes and links give; links are those of the owner of the network."""
    yield from (link.container for link in owner.links)
    yield from filter(None, map(find_peer, (spec.network_mode, spec.pid, spec.ipc)))


def _find_networks(snapshot: Snapshot, spec: ContainerSpec) -> dict[str, Network]:
    found = ((each.name, snapshot.get(Key("Network", each.name))) for each in spec.networks)
    return {name: network for name, network in found if isinstance(network, Network)}


def _find_volumes(snapshot: Snapshot, mounts: Iterable[Mount]) -> dict[str, Volume]:
    names = (mount.source for mount in mounts if mount.type is MountType.VOLUME)
    found = ((name, snapshot.get(Key("Volume", name))) for name in names)
    return {name: volume for name, volume in found if isinstance(volume, Volume)}


def _find_images(snapshot: Snapshot, mounts: Iterable[Mount]) -> dict[str, Image]:
    names = (mount.source for mount in mounts if mount.type is MountType.IMAGE)
    found = ((name, snapshot.get(Key("Image", name))) for name in names)
    return {name: image for name, image in found if isinstance(image, Image)}


def _find_containers(snapshot: Snapshot, names: Iterable[str]) -> dict[str, Container]:
    found = ((name, snapshot.get(Key("Container", name))) for name in names)
    return {name: other for name, other in found if isinstance(other, Container)}
