"""What is mounted at the data directory of a volume that has options, and the command that mounts it."""

from controller.model.ids import Uid
from controller.model.plugins import DrivenVolume
from controller.model.volume import LOCAL, Volume, VolumeSpec
from controller.model.volume_options import NFS_TYPES, split_options
from controller.model.wants import VolumeMount, VolumeWant


def derive_mount(spec: VolumeSpec) -> VolumeMount | None:
    """Return what is mounted while a volume of the driver local is used; None for a plain directory."""
    options = spec.driver_options
    if spec.driver != LOCAL or not options:
        return None
    return VolumeMount(
        kind=options["type"], device=options["device"], options=split_options(options.get("o", ""))
    )


def make_want(volume: Volume) -> VolumeWant:
    """Return a volume to work on."""
    return VolumeWant(
        uid=Uid(volume.metadata.uid or ""), mount=derive_mount(volume.spec), driven=derive_driven(volume)
    )


def derive_driven(volume: Volume) -> DrivenVolume | None:
    """Return what a plugin is asked to keep; None for the driver local."""
    if volume.spec.driver == LOCAL:
        return None
    return DrivenVolume(
        driver=volume.spec.driver,
        uid=Uid(volume.metadata.uid or ""),
        name=volume.metadata.name,
        options=volume.spec.driver_options,
    )


def set_nfs_address(mount: VolumeMount, address: str) -> VolumeMount:
    """Return an nfs mount with the server as an IP address, which is all that the kernel understands (nfs(5), addr)."""
    if mount.kind not in NFS_TYPES:
        return mount
    options = tuple(option for option in mount.options if not option.startswith("addr="))
    return VolumeMount(kind=mount.kind, device=mount.device, options=(*options, f"addr={address}"))


def render_mount_command(mount: VolumeMount, target: str) -> tuple[str, ...]:
    """Return the arguments of mount(8) that come to one mount(2): no helper program, no /etc/fstab."""
    options = ("-o", ",".join(mount.options)) if mount.options else ()
    return ("mount", "--internal-only", "--no-mtab", "-t", mount.kind, *options, "--", mount.device, target)
