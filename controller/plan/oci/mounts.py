"""What is mounted in a container: kernel file systems, the files of the bundle, volumes, host directories, tmpfs."""

from typing import Any, assert_never

from controller.model.container import Container
from controller.model.mounts import Mount, MountType
from controller.plan.oci.surroundings import Surroundings

SHM_BYTES = 64 << 20
_SHM_TARGET = "/dev/shm"  # noqa: S108 - a path inside the container
BUNDLE_FILES = {"hosts": "/etc/hosts", "resolv.conf": "/etc/resolv.conf", "hostname": "/etc/hostname"}
"""Files of the bundle, and where the container sees them."""


def render_mounts(container: Container, bundle_path: str, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `mounts` of the OCI configuration, parents before what lies below them."""
    own = sorted(container.spec.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
    covered = {mount.target.rstrip("/") for mount in own}
    files = [
        _bind(f"{bundle_path}/{name}", target, read_only=container.spec.read_only)
        for name, target in BUNDLE_FILES.items()
        if target not in covered
    ]
    kernel = [mount for mount in _kernel_mounts() if mount["destination"] not in covered]
    return [*kernel, *files, *(_render_mount(mount, surroundings) for mount in own)]


def find_host_directories(container: Container) -> tuple[str, ...]:
    """Return the host directories that have to be made when they are missing."""
    return tuple(
        mount.source
        for mount in container.spec.mounts
        if mount.type is MountType.BIND and mount.create_host_path
    )


def _kernel_mounts() -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", "proc", quiet),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        _mount("/sys", "sysfs", "sysfs", [*quiet, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*quiet, "ro"]),
        _mount("/dev/mqueue", "mqueue", "mqueue", quiet),
        _mount(_SHM_TARGET, "tmpfs", "shm", [*quiet, "mode=1777", f"size={SHM_BYTES}"]),
    ]


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return _mount(target, "bind", source, ["rbind", "rprivate", "ro" if read_only else "rw"])


def _render_mount(mount: Mount, surroundings: Surroundings) -> dict[str, Any]:
    match mount.type:
        case MountType.VOLUME:
            source = surroundings.layout.volume_path(surroundings.volumes[mount.source])
            return _bind(source, mount.target, read_only=mount.read_only)
        case MountType.BIND:
            return _bind(mount.source, mount.target, read_only=mount.read_only)
        case MountType.TMPFS:
            options = ["nosuid", "nodev", "noexec", f"mode={mount.mode:o}"]
            options += [f"size={mount.size_bytes}"] if mount.size_bytes is not None else []
            options += ["ro"] if mount.read_only else []
            return _mount(mount.target, "tmpfs", "tmpfs", options)
        case _:
            assert_never(mount.type)
