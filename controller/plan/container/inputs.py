"""What a decision about one container is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.changes import Snapshot
from controller.model.container import Container, ContainerStatus
from controller.model.facts import (
    AttachmentFacts,
    NamespaceFacts,
    ProcessFacts,
    RootFacts,
)
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.limits import LimitFacts
from controller.model.mounts import MountType
from controller.model.network import Network
from controller.model.volume import Volume
from controller.model.wants import RootWant
from controller.plan.oci.spec_hash import derive_spec_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDesired:
    """A container with the objects that it names, as far as they exist, and the digest of what needs a new process."""

    container: Container
    spec_hash: str
    layout: Layout
    image: Image | None = None
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    dependencies: Mapping[str, Container] = field(default_factory=dict)

    @property
    def uid(self) -> Uid:
        return Uid(self.container.metadata.uid or "")

    @property
    def status(self) -> ContainerStatus:
        return self.container.status

    @property
    def is_isolated(self) -> bool:
        """Whether the container has a network namespace of its own."""
        return self.container.spec.network_mode != "host"

    @property
    def root(self) -> RootWant:
        """The root to mount; without layers while the image is not there."""
        spec = self.container.spec
        if spec.rootfs is not None:
            lower: tuple[str, ...] = (spec.rootfs,)
        else:
            layers = self.image.status.layers if self.image is not None else ()
            lower = tuple(self.layout.layer_path(layer) for layer in reversed(layers))
        return RootWant(uid=self.uid, lower_paths=lower)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerObserved:
    """What the kernel has of one container. `ports_published` tells whether the host's rules lead to all its ports."""

    process: ProcessFacts | None = None
    root: RootFacts | None = None
    namespace: NamespaceFacts | None = None
    attachments: tuple[AttachmentFacts, ...] = ()
    limits: LimitFacts | None = None
    ports_published: bool = False


def gather_container(snapshot: Snapshot, container: Container, layout: Layout) -> ContainerDesired:
    """Return the container with what it names, looked up in the snapshot."""
    spec = container.spec
    image = snapshot.get(Key("Image", spec.image)) if spec.image is not None else None
    networks = {}
    for attachment in spec.networks:
        network = snapshot.get(Key("Network", attachment.name))
        if isinstance(network, Network):
            networks[attachment.name] = network
    volumes = {}
    for mount in spec.mounts:
        volume = snapshot.get(Key("Volume", mount.source)) if mount.type is MountType.VOLUME else None
        if isinstance(volume, Volume):
            volumes[mount.source] = volume
    dependencies = {}
    for name in spec.depends_on:
        other = snapshot.get(Key("Container", name))
        if isinstance(other, Container):
            dependencies[name] = other
    return ContainerDesired(
        container=container,
        spec_hash=derive_spec_hash(spec),
        layout=layout,
        image=image if isinstance(image, Image) else None,
        networks=networks,
        volumes=volumes,
        dependencies=dependencies,
    )
