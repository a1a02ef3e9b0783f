"""What a container has to wait for before it can start."""

from collections.abc import Iterable, Mapping, Sequence

from controller.model.container import Container, ContainerSpec, DependencyCondition, Phase
from controller.model.health import HealthState
from controller.model.image import Image
from controller.model.mounts import MountType
from controller.model.naming import find_peer
from controller.model.network import Network
from controller.model.resource import Condition, find_condition, is_ready
from controller.model.volume import Volume
from controller.plan.conditions import Reason, make_condition
from controller.plan.container.inputs import ContainerDesired
from controller.plan.image_pull import find_pull_failure, is_pull_due


def list_waiting(desired: ContainerDesired) -> list[Condition]:
    """Return a false condition for each kind of thing that is not there yet."""
    spec = desired.container.spec
    found = []
    if spec.image is not None and not _has_image(desired):
        message = _describe_missing_image(desired)
        found.append(make_condition("ImageAvailable", Reason.WAITING_FOR_IMAGE, message, holds=False))
    images = [mount.source for mount in spec.mounts if mount.type is MountType.IMAGE]
    images = [name for name in images if not _has_mounted_image(desired, name)]
    if images and not found:
        message = f"not there, to be mounted: {_list_reasons(images, desired.mounted_images)}"
        found.append(make_condition("ImageAvailable", Reason.WAITING_FOR_IMAGE, message, holds=False))
    networks = [attachment.name for attachment in spec.networks if not _has_network(desired, attachment.name)]
    if networks:
        told = _tell_missing("not ready", Reason.WAITING_FOR_NETWORKS, networks, desired.networks)
        found.append(make_condition("NetworksAvailable", *told, holds=False))
    volumes = [mount.source for mount in spec.mounts if mount.type is MountType.VOLUME]
    volumes = [name for name in volumes if not _has_volume(desired, name)]
    if volumes:
        told = _tell_missing("not there", Reason.WAITING_FOR_VOLUMES, volumes, desired.volumes)
        found.append(make_condition("VolumesAvailable", *told, holds=False))
    unmet = [
        f"{name} {dependency.condition}"
        for name, dependency in spec.depends_on.items()
        if not is_met(dependency.condition, desired.dependencies.get(name))
    ]
    started = DependencyCondition.STARTED
    unmet += [
        f"{name} {started}" for name in list_joined(spec) if not is_met(started, desired.peers.get(name))
    ]
    if unmet:
        message = f"not yet: {', '.join(unmet)}"
        found.append(make_condition("DependenciesMet", Reason.WAITING_FOR_DEPENDENCIES, message, holds=False))
    return found


def _tell_missing(
    words: str, reason: Reason, names: Sequence[str], known: Mapping[str, Network | Volume]
) -> tuple[Reason, str]:
    """Return reason and message for objects that are not ready; those that had no turn yet are no cause for concern."""
    if all(name in known and find_condition(known[name].status, "Ready") is None for name in names):
        return Reason.BEING_MADE, f"being made: {', '.join(names)}"
    return reason, f"{words}: {_list_reasons(names, known)}"


def _list_reasons(names: Iterable[str], known: Mapping[str, Network | Volume | Image]) -> str:
    """Return the names of objects that are not ready, each with what its own status says about that."""
    found = []
    for name in names:
        ready = find_condition(known[name].status, "Ready") if name in known else None
        found.append(f"{name} ({ready.message})" if ready is not None and ready.message else name)
    return ", ".join(found)


def list_joined(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the containers whose namespaces a container joins: they have to run first."""
    names = (find_peer(mode) for mode in (spec.network_mode, spec.pid, spec.ipc))
    return tuple(dict.fromkeys(name for name in names if name))


def is_met(condition: DependencyCondition, other: Container | None) -> bool:
    """Tell whether what a container waits for is true of the other one."""
    if other is None:
        return False
    match condition:
        case DependencyCondition.STARTED:
            return other.status.phase in (Phase.RUNNING, Phase.PAUSED)
        case DependencyCondition.HEALTHY:
            health = other.status.health
            lives = other.status.phase in (Phase.RUNNING, Phase.PAUSED)
            return lives and health is not None and health.state is HealthState.HEALTHY
        case DependencyCondition.COMPLETED:
            return other.status.phase is Phase.EXITED and other.status.exit_code == 0


def _has_image(desired: ContainerDesired) -> bool:
    """Tell whether the image is there, and as new as the container asked for."""
    image, assigned = desired.image, desired.container.assigned
    if image is None or not is_ready(image.status):
        return False
    return not is_pull_due(image) or assigned is None or image.status.pull >= assigned.pull


def _describe_missing_image(desired: ContainerDesired) -> str:
    failure = find_pull_failure(desired.image) if desired.image is not None else ""
    return f"image {desired.container.spec.image} is not there{f': {failure}' if failure else ''}"


def _has_mounted_image(desired: ContainerDesired, name: str) -> bool:
    image = desired.mounted_images.get(name)
    return image is not None and is_ready(image.status)


def _has_network(desired: ContainerDesired, name: str) -> bool:
    network = desired.networks.get(name)
    return network is not None and is_ready(network.status)


def _has_volume(desired: ContainerDesired, name: str) -> bool:
    volume = desired.volumes.get(name)
    return volume is not None and is_ready(volume.status)
