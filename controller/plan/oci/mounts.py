"""What is mounted in a container: kernel file systems, the files of the bundle, volumes, host directories, tmpfs."""

from collections.abc import Iterable, Iterator
from typing import Any, assert_never

from controller.model.container import Container, ContainerSpec
from controller.model.ids import Uid
from controller.model.mounts import Mount, MountType
from controller.model.naming import find_peer
from controller.plan.oci.staging import derive_part_path, derive_shm_path, find_staged_path
from controller.plan.oci.surroundings import Surroundings

INIT_TARGET = "/dev/init"
_SHM_TARGET = "/dev/shm"  # noqa: S108 - a path inside the container
BUNDLE_FILES = {"hosts": "/etc/hosts", "resolv.conf": "/etc/resolv.conf", "hostname": "/etc/hostname"}
"""Files of the bundle, and where the container sees them."""


def render_mounts(container: Container, bundle_path: str, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `mounts` of the OCI configuration, parents before what lies below them."""
    spec = container.spec
    own = sorted(spec.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
    covered = {mount.target.rstrip("/") for mount in own}
    files = [
        _bind(f"{bundle_path}/{name}", target, ["rbind", "rprivate", _mode(read_only=spec.read_only)])
        for name, target in BUNDLE_FILES.items()
        if target not in covered
    ]
    kernel = [mount for mount in _list_kernel_mounts(spec) if mount["destination"] not in covered]
    shared = [
        mount for mount in _list_ipc_mounts(container, surroundings) if mount["destination"] not in covered
    ]
    init = []
    if surroundings.host.defaults.wants_init(spec):
        init = [_bind(surroundings.host.init_path, INIT_TARGET, ["bind", "rprivate", "ro"])]
    mounts = (_render_mount(mount, container, surroundings) for mount in own)
    return [*kernel, *shared, *files, *init, *mounts]


def find_host_directories(container: Container) -> tuple[str, ...]:
    """Return the host directories that have to be made when they are missing."""
    return tuple(
        mount.source
        for mount in container.spec.mounts
        if mount.type is MountType.BIND and mount.create_host_path
    )


def choose_root_propagation(mounts: Iterable[Mount]) -> str:
    """Return `linux.rootfsPropagation`: what lets the mounts that ask for it hear of others, and be heard."""
    asked = {mount.propagation.removeprefix("r") for mount in mounts if mount.type is MountType.BIND}
    return next((f"r{kind}" for kind in ("shared", "slave") if kind in asked), "")


def list_propagations(container: Container) -> Iterator[tuple[str, str]]:
    """Yield the sources whose later mounts have to spread, with shared or slave."""
    for mount in container.spec.mounts:
        kind = mount.propagation.removeprefix("r")
        if mount.type is MountType.BIND and kind != "private":
            yield mount.source, kind


def _list_kernel_mounts(spec: ContainerSpec) -> Iterator[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    protected = [] if spec.privileged else ["ro"]
    yield _mount("/proc", "proc", "proc", quiet)
    yield _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"])
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    yield _mount("/dev/pts", "devpts", "devpts", terminals)
    yield _mount("/sys", "sysfs", "sysfs", [*quiet, *protected])
    yield _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*quiet, *protected])


def _list_ipc_mounts(container: Container, surroundings: Surroundings) -> Iterator[dict[str, Any]]:
    """Yield message queues and shared memory: the host's, another container's, or its own."""
    spec = container.spec
    quiet = ["nosuid", "noexec", "nodev"]
    yield _mount("/dev/mqueue", "mqueue", "mqueue", quiet)
    if spec.ipc == "host":
        yield _bind(_SHM_TARGET, _SHM_TARGET, ["rbind", "rprivate", *quiet])
        return
    peer = find_peer(spec.ipc)
    if peer:
        source = derive_shm_path(surroundings.layout, surroundings.peers[peer].uid)
        yield _bind(source, _SHM_TARGET, ["rbind", "rprivate", *quiet])
    elif spec.ipc == "shareable":
        yield _bind(
            derive_shm_path(surroundings.layout, _uid(container)), _SHM_TARGET, ["rbind", "rprivate", *quiet]
        )
    elif spec.ipc != "none":
        size_bytes = surroundings.host.defaults.choose_shm_size_bytes(spec)
        yield _mount(_SHM_TARGET, "tmpfs", "shm", [*quiet, "mode=1777", f"size={size_bytes}"])


def _mount(target: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _bind(source: str, target: str, options: list[str]) -> dict[str, Any]:
    return _mount(target, "bind", source, options)


def _mode(*, read_only: bool) -> str:
    return "ro" if read_only else "rw"


def _uid(container: Container) -> Uid:
    return Uid(container.metadata.uid or "")


def _render_mount(mount: Mount, container: Container, surroundings: Surroundings) -> dict[str, Any]:
    match mount.type:
        case MountType.VOLUME:
            source = find_staged_path(container, mount, surroundings)
            source = source or surroundings.layout.volume_path(surroundings.volumes[mount.source])
            return _bind(source, mount.target, ["rbind", "rprivate", *_list_modes(mount)])
        case MountType.BIND:
            source = mount.source
            if mount.recursive == "disabled":
                source = derive_part_path(surroundings.layout, _uid(container), mount.target)
            return _bind(source, mount.target, ["rbind", mount.propagation, *_list_modes(mount)])
        case MountType.IMAGE:
            source = derive_part_path(surroundings.layout, _uid(container), mount.target)
            return _bind(source, mount.target, ["rbind", "rprivate", "ro"])
        case MountType.TMPFS:
            return _mount(mount.target, "tmpfs", "tmpfs", _list_tmpfs_options(mount))
        case _:
            assert_never(mount.type)


def _list_modes(mount: Mount) -> list[str]:
    """Return the options for reading and writing; `rro` is for all mounts below too (mount_setattr(2))."""
    if not mount.read_only:
        return ["rw"]
    return ["ro"] if mount.recursive in ("writable", "disabled") else ["ro", "rro"]


def _list_tmpfs_options(mount: Mount) -> list[str]:
    opposites = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    lifted = {opposites[option] for option in mount.options if option in opposites}
    options = [option for option in ("nosuid", "nodev", "noexec") if option not in lifted]
    options.append(f"mode={mount.mode:o}")
    options += [f"size={mount.size_bytes}"] if mount.size_bytes is not None else []
    options += ["ro"] if mount.read_only else []
    return [*options, *(option for option in mount.options if option not in options)]
