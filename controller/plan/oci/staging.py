"""What has to be mounted on the host before a container's own mounts can be made of it."""

import hashlib
from collections.abc import Iterator

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.mounts import Mount, MountType
from controller.model.wants import ImageWant, ShallowWant, SharedMemoryWant, StagedWant, SubpathWant
from controller.plan.oci.namespaces import find_id_base
from controller.plan.oci.surroundings import Surroundings


def derive_shm_path(layout: Layout, uid: Uid) -> str:
    """Return where the shared memory of a container that others may join is mounted."""
    return f"{layout.staging_path(uid)}/shm"


def derive_part_path(layout: Layout, uid: Uid, target: str) -> str:
    """Return where a part of a volume, or a directory alone, is mounted for the container's mount at `target`."""
    return f"{layout.staging_path(uid)}/{hashlib.sha256(target.encode()).hexdigest()[:16]}"


def derive_volume_part_path(layout: Layout, uid: Uid, volume: Uid, target: str) -> str:
    """Return where a volume that is itself mounted is mounted for the container's mount at `target`; tells the volume."""
    directory, _, name = derive_part_path(layout, uid, target).rpartition("/")
    return f"{directory}/{volume}.{name}"


def find_volume_of_part(path: str) -> Uid | None:
    """Return the volume that a path was derived for; None for other staged mounts."""
    volume, dot, _ = path.rpartition("/")[2].partition(".")
    return Uid(volume) if dot else None


def find_staged_path(container: Container, mount: Mount, surroundings: Surroundings) -> str:
    """Return where the volume of a mount is mounted for the container alone; empty when it is used as it lies there."""
    layout, uid = surroundings.layout, Uid(container.metadata.uid or "")
    if mount.source in surroundings.mounted_volumes:
        return derive_volume_part_path(layout, uid, surroundings.volumes[mount.source], mount.target)
    if mount.subpath or find_id_base(container):
        return derive_part_path(layout, uid, mount.target)
    return ""


def list_staged(container: Container, uid: Uid, surroundings: Surroundings) -> Iterator[StagedWant]:
    """Yield what to mount for the length of the process."""
    spec, layout, base = container.spec, surroundings.layout, find_id_base(container)
    if spec.ipc == "shareable":
        size_bytes = surroundings.host.defaults.choose_shm_size_bytes(spec)
        yield SharedMemoryWant(path=derive_shm_path(layout, uid), size_bytes=size_bytes)
    for mount in spec.mounts:
        if mount.type is MountType.VOLUME and find_staged_path(container, mount, surroundings):
            yield SubpathWant(
                path=find_staged_path(container, mount, surroundings),
                root_path=layout.volume_path(surroundings.volumes[mount.source]),
                subpath=mount.subpath,
                id_base=base,
                is_mounted=mount.source in surroundings.mounted_volumes,
            )
        if mount.type is MountType.IMAGE:
            yield ImageWant(
                path=derive_part_path(layout, uid, mount.target),
                lower_paths=surroundings.mounted_images[mount.source],
                subpath=mount.subpath,
                id_base=base,
            )
        if mount.type is MountType.BIND and mount.recursive == "disabled":
            # Not left to the runtime: crun 1.8 binds recursively all the same.
            path = derive_part_path(layout, uid, mount.target)
            yield ShallowWant(path=path, source_path=mount.source)
