"""The steps from whatever is there to a running process."""

from collections.abc import Iterator

from controller.model.container import Phase
from controller.model.facts import ProcessState
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.mounts import MountType
from controller.model.volume import SNAPSHOT_LABEL
from controller.plan.container.actions import (
    ApplyLimits,
    ContainerAction,
    CreateProcess,
    DeleteNamespace,
    DeleteProcess,
    EnsureNamespace,
    MountRoot,
    MountVolume,
    PrefillVolume,
    StartProcess,
)
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.links import list_link_actions, list_wants
from controller.plan.container.texts import find_gateway, find_nameservers
from controller.plan.container.waiting import list_joined
from controller.plan.limits import derive_limits
from controller.plan.oci.namespaces import list_process_peers
from controller.plan.volume_mount import make_want


def list_start_actions(desired: ContainerDesired, observed: ContainerObserved) -> tuple[ContainerAction, ...]:
    """Return all steps to a running process; what earlier runs left in order is kept."""
    reusable = is_reusable(desired, observed)
    actions: list[ContainerAction] = []
    if observed.process is not None and not reusable:
        actions.append(DeleteProcess(uid=desired.uid))
    if not reusable:
        actions += _list_volume_mounts(desired)
    actions += _list_namespace_actions(desired, observed)
    never_ran = (
        desired.status.started_at is None
    )  # its root may be mounted all the same: it was stopped before
    if never_ran or observed.root is None or not observed.root.has_upper:
        actions += _list_prefills(desired)
    actions += list_root_actions(desired, observed)
    if desired.is_isolated:
        namespace = observed.namespace
        kept = namespace is not None and namespace.id_base == desired.root.id_base
        present = observed.attachments if kept else ()
        actions += list_link_actions(list_wants(desired, present), present, desired.networks)
    if not reusable:
        actions.append(_make_create(desired))
        want = derive_limits(desired.container.spec.resources)
        if want.block_io_weight is not None or want.devices:
            actions.append(ApplyLimits(uid=desired.uid, want=want))
    actions.append(StartProcess(uid=desired.uid))
    return tuple(actions)


def is_reusable(desired: ContainerDesired, observed: ContainerObserved) -> bool:
    """Tell whether a process is there that was created for just this start, and only needs to be started."""
    process = observed.process
    return (
        process is not None
        and process.state is ProcessState.CREATED
        and process.spec_hash == desired.spec_hash
        and process.run == desired.container.spec.run
        and desired.status.phase is not Phase.FAILED
        and (observed.namespace is not None or not desired.is_isolated)
        and not list_joined(desired.container.spec)
        and observed.root is not None
        and observed.root.mounted
    )


def list_root_actions(desired: ContainerDesired, observed: ContainerObserved) -> tuple[ContainerAction, ...]:
    """Return what mounts the root of a container without a live process; nothing while there are no layers for it."""
    want, root = desired.root, observed.root
    if not want.lower_paths:
        return ()
    if (
        root is not None
        and root.mounted
        and (root.lower_paths, root.id_base) == (want.lower_paths, want.id_base)
    ):
        return ()
    return (MountRoot(want=want),)


def _list_namespace_actions(
    desired: ContainerDesired, observed: ContainerObserved
) -> Iterator[ContainerAction]:
    namespace = observed.namespace
    foreign = namespace is not None and namespace.id_base != desired.root.id_base
    if desired.is_isolated and foreign:
        yield DeleteNamespace(uid=desired.uid)
    if desired.is_isolated and (namespace is None or foreign or not namespace.loopback_up):
        yield EnsureNamespace(uid=desired.uid, id_base=desired.root.id_base)
    if not desired.is_isolated and namespace is not None:
        yield DeleteNamespace(uid=desired.uid)


def _list_prefills(desired: ContainerDesired) -> Iterator[ContainerAction]:
    """Fill volumes from the image before the container's first start only, as Docker does; snapshots stay as they are."""
    for mount in desired.container.spec.mounts:
        volume = desired.volumes.get(mount.source)
        if mount.type is not MountType.VOLUME or volume is None or mount.nocopy or mount.subpath:
            continue
        if SNAPSHOT_LABEL not in volume.metadata.labels:
            yield PrefillVolume(
                volume=make_want(volume),
                volume_name=mount.source,
                source=desired.root,
                path=mount.target,
            )


def _list_volume_mounts(desired: ContainerDesired) -> Iterator[ContainerAction]:
    for name, volume in desired.volumes.items():
        want = make_want(volume)
        if want.is_mounted:
            yield MountVolume(volume=want, volume_name=name)


def _make_create(desired: ContainerDesired) -> CreateProcess:
    config = desired.image.status.config if desired.image is not None else None
    volumes = ((name, Uid(volume.metadata.uid or "")) for name, volume in desired.volumes.items())
    gateway = find_gateway(desired)
    owner = desired.network_peer or desired.container
    peers = {name: desired.peers[name] for name in list_process_peers(desired.container.spec)}
    return CreateProcess(
        container=desired.container,
        spec_hash=desired.spec_hash,
        image_config=config or ImageConfig(),
        root=desired.root,
        volumes=tuple(volumes),
        mounted_volumes=frozenset(
            name for name, volume in desired.volumes.items() if make_want(volume).is_mounted
        ),
        mounted_images=tuple(
            (name, desired.list_layer_paths(image)) for name, image in desired.mounted_images.items()
        ),
        nameservers=find_nameservers(desired),
        gateway=gateway,
        network_peer=desired.network_peer,
        peers=tuple((name, Uid(peer.metadata.uid or "")) for name, peer in peers.items()),
        linked=tuple(
            desired.peers[link.container] for link in owner.spec.links if link.container in desired.peers
        ),
    )
