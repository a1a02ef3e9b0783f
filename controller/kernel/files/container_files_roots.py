"""The child's way into a container's root: a root directory of its own, from which no path leads out.

Of a running container it is the root that the container's processes see, with all that is mounted there. Of one that
does not run it is the overlay, with the container's volumes mounted over it in a mount namespace that ends with the
child.
"""

import contextlib
import errno
import os
import stat
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter
from pathlib import Path
from typing import NamedTuple

from controller.errors import NotFound, Refused, Unsupported
from controller.kernel import syscalls
from controller.kernel.files.confined import make_directories_in_root, open_in_root


class Shown(NamedTuple):
    """A file or directory of the host that is seen at a path of a container that does not run.

    With a subpath it is what lies there below the source, out of which no link leads.
    """

    source: str
    target: str
    read_only: bool
    subpath: str


class Mapping(NamedTuple):
    """A container's users from 0 on are `size` users of the host from `base` on; those are stored in its root."""

    base: int
    size: int


class RootView(NamedTuple):
    """A root directory; `path` is a descriptor of a process' root or the mount point of an overlay.

    `shown` comes over it. `user_fd` is the process' user namespace; without a process `mapping` is what its would be.
    """

    path: str
    read_only: bool = False
    shown: tuple[Shown, ...] = ()
    mapping: Mapping | None = None
    user_fd: int | None = None


def enter(view: RootView) -> None:
    """Make the view this process' root directory, and its users this process' users; NotFound when it is gone."""
    user_namespace_fd = _find_user_namespace(view)
    if view.shown or view.read_only:
        leave_mounts()
        _mount_all(view, user_namespace_fd)
    try:
        root_fd = os.open(view.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound("the container's root is gone: it has just ended, or is being removed") from error
    forbid_imports()
    os.fchdir(root_fd)
    os.chroot(".")
    os.close(root_fd)
    os.umask(0)
    if user_namespace_fd is not None:
        _become_root_of(user_namespace_fd)


def forbid_imports() -> None:
    """Load no further module from files: they would be those of the container (as in CVE-2019-14271 of Docker)."""
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [each for each in sys.meta_path if each in (BuiltinImporter, FrozenImporter)]


def _find_user_namespace(view: RootView) -> int | None:
    """Open the user namespace that a container has or would have; None for ours."""
    if view.mapping is not None:
        return make_user_namespace(view.mapping)
    if view.user_fd is None or os.fstat(view.user_fd).st_ino == Path("/proc/self/ns/user").stat().st_ino:
        return None
    return view.user_fd


def make_user_namespace(mapping: Mapping) -> int:
    """Open a user namespace with these users; the process that it takes to make one has ended by then."""
    (ready_fd, made_fd), (wait_fd, end_fd) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(made_fd, b"x")
            os.close(end_fd)
            os.read(wait_fd, 1)
        finally:
            os._exit(0)
    os.close(made_fd)
    try:
        if not os.read(ready_fd, 1):
            raise Unsupported("the host makes no user namespaces: see user.max_user_namespaces in sysctl(8)")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text(f"0 {mapping.base} {mapping.size}")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (end_fd, ready_fd, wait_fd):
            os.close(fd)
        os.waitpid(pid, 0)


def _become_root_of(user_namespace_fd: int) -> None:
    """Be root of the container alone: owners are then its own numbers, and its rights are all that there are."""
    syscalls.setns(user_namespace_fd, syscalls.CLONE_NEWUSER)
    os.close(user_namespace_fd)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def open_inside(path: str) -> int:
    """Open the directory at a path of this process' root, O_PATH; links are followed, but not those of /proc."""
    return open_from(syscalls.AT_FDCWD, f"/{path}")


def open_from(directory_fd: int, path: str) -> int:
    """Open the directory at a path from another one, O_PATH; links are followed, but not those of /proc."""
    flags = os.O_PATH | os.O_DIRECTORY
    return syscalls.openat2(directory_fd, path, flags, resolve=syscalls.RESOLVE_NO_MAGICLINKS)


def leave_mounts() -> None:
    """Go on in a mount namespace of this process' own, from which nothing comes back."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)


def _mount_all(view: RootView, user_namespace_fd: int | None) -> None:
    if view.read_only:
        syscalls.mount(view.path, view.path, flags=syscalls.MS_BIND)
        _make_read_only(view.path)
    root_fd = os.open(view.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for shown in view.shown:
            _show(root_fd, shown, user_namespace_fd)
    finally:
        os.close(root_fd)


def _show(root_fd: int, shown: Shown, user_namespace_fd: int | None) -> None:
    """Mount one, its owners mapped; a missing directory is made, as it is at each start."""
    with contextlib.ExitStack() as opened:
        try:
            source_fd = _open_source(shown)
        except FileNotFoundError:
            return
        opened.callback(os.close, source_fd)
        is_directory = _is_directory(source_fd)
        target_fd = _open_target(root_fd, shown.target, make=is_directory)
        if target_fd is None:
            return
        opened.callback(os.close, target_fd)
        if _is_directory(target_fd) != is_directory:
            raise Refused(f"{shown.source} can't be mounted at {shown.target}: one of them is no directory")
        if user_namespace_fd is not None and is_directory:
            _mount_mapped(source_fd, target_fd, user_namespace_fd)
        else:
            flags = syscalls.MS_BIND | syscalls.MS_REC
            syscalls.mount(f"/proc/self/fd/{source_fd}", f"/proc/self/fd/{target_fd}", flags=flags)
    if shown.read_only:
        mounted_fd = open_in_root(root_fd, shown.target, os.O_PATH)
        _make_read_only(f"/proc/self/fd/{mounted_fd}")
        os.close(mounted_fd)


def _mount_mapped(source_fd: int, target_fd: int, user_namespace_fd: int) -> None:
    """Mount a directory so that its owners are shown as the container's."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_EMPTY_PATH
    tree_fd = syscalls.open_tree(source_fd, "", flags)
    try:
        syscalls.mount_setattr_idmap(tree_fd, user_namespace_fd)
        os.fchdir(target_fd)
        syscalls.move_mount(tree_fd, ".")
    except OSError as error:
        raise Unsupported("a mount of the container is on a file system that can't map owners") from error
    finally:
        os.close(tree_fd)


def _open_source(shown: Shown) -> int:
    source_fd = os.open(shown.source, os.O_PATH | os.O_CLOEXEC)
    if not shown.subpath:
        return source_fd
    try:
        return open_in_root(source_fd, shown.subpath, os.O_PATH)
    finally:
        os.close(source_fd)


def _open_target(root_fd: int, path: str, *, make: bool) -> int | None:
    """Open what is mounted over; None when it is missing and can't be made."""
    try:
        return open_in_root(root_fd, path, os.O_PATH)
    except FileNotFoundError:
        if not make:
            return None
    try:
        make_directories_in_root(root_fd, path)
    except OSError as error:
        if error.errno == errno.EROFS:
            return None
        raise
    return open_in_root(root_fd, path, os.O_PATH)


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def _make_read_only(path: str) -> None:
    flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY
    syscalls.mount("", path, flags=flags)
