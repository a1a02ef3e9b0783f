"""What a container's spec comes to once names of other containers and the image's wishes are looked up."""

from collections.abc import Iterator, Mapping

from controller.model.changes import Snapshot
from controller.model.container import Container, ContainerSpec
from controller.model.ids import Key
from controller.model.image import Image, ImageConfig, complete_image_name
from controller.model.mounts import Mount, MountType
from controller.model.naming import find_peer
from controller.model.ports import PortMapping, list_exposed
from controller.model.resource import is_ready

_MOST_HOPS = 32
"""More containers than any chain of volumesFrom or networkMode has; ends circles that admission did not see."""


def find_image_config(snapshot: Snapshot, spec: ContainerSpec) -> ImageConfig | None:
    """Return the defaults of a container's image; None when there is no image or it isn't ready."""
    image = snapshot.get(Key("Image", complete_image_name(spec.image))) if spec.image is not None else None
    return image.status.config if isinstance(image, Image) and is_ready(image.status) else None


def find_container(snapshot: Snapshot, name: str) -> Container | None:
    """Return the container of that name."""
    found = snapshot.get(Key("Container", name))
    return found if isinstance(found, Container) else None


def find_network_peer(snapshot: Snapshot, spec: ContainerSpec) -> Container | None:
    """Return the container whose network a container is on, also by way of others; None when it has its own."""
    owner = None
    for _ in range(_MOST_HOPS):
        name = find_peer(spec.network_mode)
        following = find_container(snapshot, name) if name else None
        if following is None:
            return owner
        owner, spec = following, following.spec
    return owner


def list_mounts(snapshot: Snapshot, container: Container, *, hops: int = 0) -> tuple[Mount, ...]:
    """Return all mounts: its own with every volume named, those taken over from others, those that its image wants."""
    volumes = container.assigned.volumes if container.assigned is not None else {}
    own = [_name_volume(mount, volumes) for mount in container.spec.mounts]
    taken = list_taken_mounts(snapshot, container.spec, hops=hops)
    covered = {_strip(mount.target) for mount in (*own, *taken)}
    wanted = [
        Mount(type=MountType.VOLUME, source=name, target=target)
        for target, name in volumes.items()
        if _strip(target) not in covered
    ]
    return (*own, *taken, *wanted)


def list_taken_mounts(snapshot: Snapshot, spec: ContainerSpec, *, hops: int = 0) -> tuple[Mount, ...]:
    """Return the volumes and directories of the containers in volumesFrom, but where the spec has mounts of its own."""
    found: dict[str, Mount] = {}
    own = {_strip(mount.target) for mount in spec.mounts}
    for source in spec.volumes_from if hops < _MOST_HOPS else ():
        other = find_container(snapshot, source.container)
        for mount in list_mounts(snapshot, other, hops=hops + 1) if other is not None else ():
            if mount.type is not MountType.TMPFS and _strip(mount.target) not in own:
                read_only = mount.read_only or source.read_only
                found[_strip(mount.target)] = mount.model_copy(update={"read_only": read_only})
    return tuple(found.values())


def list_nameless(snapshot: Snapshot, spec: ContainerSpec, config: ImageConfig | None) -> Iterator[str]:
    """Yield the targets that need a volume of the container's own: mounts without a name, and paths of the image."""
    for mount in spec.mounts:
        if mount.type is MountType.VOLUME and not mount.source:
            yield mount.target
    covered = {_strip(mount.target) for mount in (*spec.mounts, *list_taken_mounts(snapshot, spec))}
    for target in config.volumes if config is not None else ():
        if target.startswith("/") and _strip(target) and _strip(target) not in covered:
            yield target


def list_wanted_ports(spec: ContainerSpec, config: ImageConfig | None) -> tuple[PortMapping, ...]:
    """Return the ports to publish: those of the spec, and with publishAll every exposed one that is not among them."""
    if not spec.publish_all:
        return spec.ports
    published = {(port.container_port, port.protocol) for port in spec.ports}
    exposed = (*spec.expose, *(config.exposed_ports if config is not None else ()))
    further = dict.fromkeys(each for text in exposed for each in list_exposed(text) if each not in published)
    return (
        *spec.ports,
        *(PortMapping(container_port=port, protocol=protocol) for port, protocol in further),
    )


def has_ports(container: Container) -> bool:
    """Tell whether a container publishes any port."""
    return bool(container.spec.ports) or (container.assigned is not None and bool(container.assigned.ports))


def is_fully_assigned(snapshot: Snapshot, container: Container) -> bool:
    """Tell whether everything that the image asks for, and that only admission can choose, is chosen."""
    assigned, config = container.assigned, find_image_config(snapshot, container.spec)
    if assigned is None or config is None:
        return True
    missing = set(list_nameless(snapshot, container.spec, config)) - assigned.volumes.keys()
    return not missing and len(assigned.ports) >= len(list_wanted_ports(container.spec, config))


def _name_volume(mount: Mount, volumes: Mapping[str, str]) -> Mount:
    if mount.type is not MountType.VOLUME or mount.source:
        return mount
    return mount.model_copy(update={"source": volumes.get(mount.target, "")})


def _strip(target: str) -> str:
    return target.rstrip("/")
