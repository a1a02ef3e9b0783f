"""Mounts that show other owners than are stored (mount_setattr(2), MOUNT_ATTR_IDMAP).

The kernel takes such a mapping from a user namespace, and that from a process in one: `unshare --user`, for a moment.
"""

import contextlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from controller.errors import Refused, Unsupported
from controller.kernel import syscalls
from controller.kernel.subprocesses import Runner, Stdio, wait_readable
from controller.kernel.translation import translated
from controller.plan.oci.namespaces import ID_COUNT


@contextlib.asynccontextmanager
async def opened_user_namespace(runner: Runner, id_base: int) -> AsyncIterator[int | None]:
    """Give a descriptor of a user namespace whose users 0 to 65535 are the host's from `id_base` on; None for base 0."""
    if not id_base:
        yield None
        return
    async with opened_namespaces(runner, id_base, "--user") as pid:
        with translated("user namespace"):
            fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.asynccontextmanager
async def opened_namespaces(runner: Runner, id_base: int, *flags: str) -> AsyncIterator[int]:
    """Give the pid of a process in new namespaces (flags of unshare(1)), users mapped.

    It is `cat`: what comes back from it tells that it is there.
    """
    stdin_fd, word_fd = os.pipe()
    echo_fd, stdout_fd = os.pipe()
    try:
        child = runner.spawn("unshare", *flags, "cat", stdio=Stdio(stdin=stdin_fd, stdout=stdout_fd))
        os.close(stdout_fd)
        stdout_fd = -1
        os.write(word_fd, b"\n")
        await wait_readable(echo_fd)
        if os.read(echo_fd, 1) != b"\n":
            raise Unsupported("the host makes no user namespaces: see user.max_user_namespaces in sysctl(8)")
        with translated("user namespace"):
            _map_users(child.pid, id_base)
        yield child.pid
    finally:
        for each in (stdin_fd, word_fd, echo_fd, stdout_fd):
            if each >= 0:
                os.close(each)
    await child.wait()


def _map_users(pid: int, id_base: int) -> None:
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text(f"0 {id_base} {ID_COUNT}\n")


@contextlib.contextmanager
def detached_mount(fd: int, user_namespace_fd: int) -> Iterator[int]:
    """Give a mount of what a descriptor holds, with owners mapped; it is nowhere until it is moved somewhere.

    Unsupported when the file system can't do that.
    """
    flags = syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC | syscalls.AT_EMPTY_PATH
    tree_fd = syscalls.open_tree(fd, "", flags)
    try:
        try:
            syscalls.mount_setattr_idmap(tree_fd, user_namespace_fd)
        except OSError as exc:
            words = (
                "userNamespace auto needs idmapped mounts (Linux 5.12), which this file system does not have"
            )
            raise Unsupported(f"{words}: {(exc.strerror or '').lower()}") from exc
        yield tree_fd
    finally:
        os.close(tree_fd)


def mount_mapped(source_fd: int, target: str, user_namespace_fd: int) -> None:
    """Mount what a descriptor holds at `target` with owners mapped."""
    with detached_mount(source_fd, user_namespace_fd) as tree_fd:
        syscalls.move_mount(tree_fd, target)


def check_passage(path: str) -> None:
    """Refuse a path to which other users can't get: what starts a container with users of its own is not root there."""
    for parent in Path(path).parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise Refused(f"userNamespace auto needs {parent} to let every user through: chmod o+x {parent}")


def shift_owners(path: str, *, old_base: int, new_base: int) -> None:
    """Give everything at a path to the same users of another range; what is outside the old range stays.

    Broken off, it is taken up where it was: ranges do not overlap.
    """
    _shift(path, old_base, new_base)
    for directory, folders, files in os.walk(path):
        for name in (*folders, *files):
            _shift(f"{directory}/{name}", old_base, new_base)


def _shift(path: str, old_base: int, new_base: int) -> None:
    status = os.lstat(path)
    user, group = (
        number - old_base + new_base if old_base <= number < old_base + ID_COUNT else number
        for number in (status.st_uid, status.st_gid)
    )
    if (user, group) == (status.st_uid, status.st_gid):
        return
    os.chown(path, user, group, follow_symlinks=False)
    if status.st_mode & 0o6000 and not stat.S_ISLNK(status.st_mode):
        Path(path).chmod(stat.S_IMODE(status.st_mode))  # chown(2) takes these bits away
