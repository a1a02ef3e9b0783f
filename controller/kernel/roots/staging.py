"""Mounts of the host that a container's own mounts are made of: shared memory that others join, parts of volumes.

They lie below the private mount of the roots, a directory for each container.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, assert_never

from controller.errors import Refused, Unavailable
from controller.kernel import syscalls
from controller.kernel.files.confined import open_in_root, open_root
from controller.kernel.mountinfo import is_mount_point, read_mounts
from controller.kernel.roots.idmaps import mount_mapped
from controller.kernel.roots.overlay import OwnerMapping, mount_mapped_overlay, mount_overlay
from controller.kernel.translation import translated
from controller.kernel.unmounting import unmount_all
from controller.model.wants import ImageWant, ShallowWant, SharedMemoryWant, StagedWant, SubpathWant

_LAYERS = "-layers"


def stage(wants: Iterable[StagedWant], user_namespace_fd: int | None) -> None:
    """Mount what is wanted, in place of what lies there. Refused when its source is not there.

    `user_namespace_fd` maps owners for what has an `id_base`.
    """
    for want in wants:
        match want:
            case SharedMemoryWant():
                _stage_memory(want)
            case SubpathWant():
                _stage_subpath(want, user_namespace_fd if want.id_base else None)
            case ShallowWant():
                _stage_shallow(want)
            case ImageWant():
                _stage_image(want, user_namespace_fd if want.id_base else None)
            case _:
                assert_never(want)


def derive_mark_path(root_path: str) -> str:
    """Return the file that is there while nobody may begin to use what is mounted at a volume's data directory."""
    return f"{Path(root_path).parent}/_closed"


def unstage(directory_path: str) -> None:
    """Unmount all that lies in a container's directory and remove it; nothing when there is none."""
    try:
        names = os.listdir(directory_path)  # noqa: PTH208 - names
    except FileNotFoundError:
        return
    for name in names:
        path = Path(directory_path, name)
        unmount_all(path)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    Path(directory_path).rmdir()


def _stage_memory(want: SharedMemoryWant) -> None:
    with translated("shared memory"):
        unmount_all(Path(want.path))
        Path(want.path).mkdir(parents=True, exist_ok=True)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("shm", want.path, "tmpfs", flags=flags, data=f"mode=1777,size={want.size_bytes}")


def _stage_subpath(want: SubpathWant, user_namespace_fd: int | None) -> None:
    """Mount what a descriptor holds, so that a link put in its place meanwhile changes nothing."""
    with open_root(want.root_path) as root_fd:
        if want.is_mounted and not is_mount_point(root_fd):
            raise Unavailable("what belongs into a volume is not mounted any more")
        try:
            fd = open_in_root(root_fd, want.subpath, os.O_PATH)
        except OSError as exc:
            raise Refused(
                f"the volume has no {want.subpath}: make it before it is mounted as subpath"
            ) from exc
    if user_namespace_fd is None:
        _bind_descriptor(fd, Path(want.path), flags=syscalls.MS_BIND | syscalls.MS_REC)
    else:
        _bind_mapped(fd, Path(want.path), user_namespace_fd)
    if want.is_mounted and Path(derive_mark_path(want.root_path)).exists():
        unmount_all(Path(want.path))
        raise Unavailable("a volume is being filled: it can be used when that is over")


def _bind_mapped(fd: int, target: Path, user_namespace_fd: int) -> None:
    """Mount what a descriptor holds with owners mapped; closes the descriptor."""
    try:
        with translated(f"mount at {target}"):
            _make_target(fd, target)
            mount_mapped(fd, str(target), user_namespace_fd)
    finally:
        os.close(fd)


def _stage_shallow(want: ShallowWant) -> None:
    try:
        fd = os.open(want.source_path, os.O_PATH | os.O_CLOEXEC)
    except OSError as exc:
        raise Refused(f"{want.source_path} of the host does not exist: make it before it is mounted") from exc
    _bind_descriptor(fd, Path(want.path), flags=syscalls.MS_BIND)


def _stage_image(want: ImageWant, user_namespace_fd: int | None) -> None:
    """Mount layers so that nobody writes to them; which ones is written down beside, for whoever removes layers."""
    whole_path = Path(f"{want.path}-whole" if want.subpath else want.path)
    with translated("mount of an image"):
        unmount_all(whole_path)
        whole_path.mkdir(parents=True, exist_ok=True)
        Path(f"{want.path}{_LAYERS}").write_text("\n".join(want.lower_paths))
        _mount_layers(want, str(whole_path), user_namespace_fd)
        read_only = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY
        syscalls.mount("", str(whole_path), flags=read_only)
    if not want.subpath:
        return
    try:
        with open_root(str(whole_path)) as root_fd:
            fd = open_in_root(root_fd, want.subpath, os.O_PATH)
        _bind_descriptor(fd, Path(want.path), flags=syscalls.MS_BIND)
    except OSError as exc:
        raise Refused(f"the image has no {want.subpath}: name a path of it as subpath") from exc
    finally:
        unmount_all(whole_path)


def _mount_layers(want: ImageWant, target: str, user_namespace_fd: int | None) -> None:
    links_path = f"{want.path}-lower"
    try:
        if user_namespace_fd is None:
            mount_overlay(target, want.lower_paths, None, links_path)
        else:
            mapping = OwnerMapping(user_namespace_fd=user_namespace_fd, scratch_path=f"{want.path}-mapped")
            mount_mapped_overlay(target, want.lower_paths, None, links_path, mapping)
    finally:
        shutil.rmtree(links_path, ignore_errors=True)


def read_staged_layers(directory_path: str) -> tuple[str, ...]:
    """Return the layers of images that are mounted for a container, whose staging directory this is."""
    try:
        names = sorted(os.listdir(directory_path))  # noqa: PTH208 - names
    except FileNotFoundError:
        return ()
    texts = (Path(directory_path, name).read_text() for name in names if name.endswith(_LAYERS))
    return tuple(path for text in texts for path in text.splitlines())


def _bind_descriptor(fd: int, target: Path, *, flags: int) -> None:
    """Mount what a descriptor holds at `target`; closes the descriptor."""
    try:
        with translated(f"mount at {target}"):
            _make_target(fd, target)
            syscalls.mount(f"/proc/self/fd/{fd}", str(target), flags=flags)
    finally:
        os.close(fd)


def _make_target(fd: int, target: Path) -> None:
    """Make a mount point of the kind of what is to be mounted, with nothing on it."""
    unmount_all(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        target.mkdir(exist_ok=True)
    else:
        target.touch()


def ensure_host_directory(path: str) -> None:
    """Make a directory of the host, with its parents, unless something is there: a file can be mounted as well."""
    try:
        if not Path(path).exists():
            Path(path).mkdir(parents=True)
    except (NotADirectoryError, FileExistsError) as exc:
        raise Refused(
            f"{path} can't be made on the host: a part of it is not a directory: name another one"
        ) from exc
    except OSError as exc:
        words = (exc.strerror or str(exc)).lower()
        raise Refused(f"{path} can't be made on the host: {words}: make it, or name another one") from exc


def check_sources(config: Mapping[str, Any]) -> None:
    """Refuse a configuration that binds what is not there: Docker's clients know such a failure as one of the daemon."""
    for mount in config["mounts"]:
        if mount["type"] == "bind" and not Path(mount["source"]).exists():
            raise Refused(
                f"{mount['source']} of the host, to be mounted at {mount['destination']}, does not exist: make it"
            )


def keep_protection(config: Mapping[str, Any]) -> bool:
    """Mount read-only what lies on a mount that is so: crun 1.8 would lift that; tells of a change."""
    changed = False
    for mount in config["mounts"]:
        if "rw" in mount["options"] and mount["type"] == "bind" and _is_protected(mount["source"]):
            mount["options"] = ["ro" if option == "rw" else option for option in mount["options"]]
            changed = True
    return changed


def _is_protected(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def drop_recursion_of_files(config: Mapping[str, Any]) -> bool:
    """Take `rro` from mounts of files, which crun 1.8 refuses and which have nothing below them; tells of a change."""
    changed = False
    for mount in config["mounts"]:
        if "rro" in mount["options"] and not Path(mount["source"]).is_dir():
            mount["options"].remove("rro")
            changed = True
    return changed


def check_propagation(source_path: str, kind: str) -> None:
    """Refuse a source whose later mounts would not spread as wanted: `shared` needs a shared mount, `slave` either."""
    real_path = os.path.realpath(source_path)
    best, found = "", ""
    for entry in read_mounts():
        inside = entry.target in ("/", real_path) or real_path.startswith(f"{entry.target}/")
        if inside and len(entry.target) >= len(best):
            best, found = entry.target, entry.propagation
    if "shared:" in found or (kind == "slave" and "master:" in found):
        return
    raise Refused(
        f"{source_path} lies on the mount {best}, which is not {'shared' if kind == 'shared' else 'shared or slave'}: "
        f"mount --make-shared {best}, or use propagation private"
    )
