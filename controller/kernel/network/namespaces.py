"""Network namespaces, each kept by a bind mount at a path of its own: `KernelNamespaces(layout=, insides=, runner=)`.

The network namespace of a container with users of its own belongs to a user namespace, which is kept beside it.
"""

import asyncio
import errno
import threading
from pathlib import Path

from controller.errors import Exhausted, Refused
from controller.kernel import syscalls
from controller.kernel.mountinfo import read_mounts
from controller.kernel.network import rtnetlink
from controller.kernel.network.insides import THREAD_NETNS_PATH, Inside, InsideFacts, Insides
from controller.kernel.roots.idmaps import opened_namespaces
from controller.kernel.subprocesses import Runner
from controller.kernel.threads import run_apart, run_in_netns
from controller.model.facts import NamespaceFacts
from controller.model.ids import Uid
from controller.model.layout import Layout

_LOOPBACK, _LOOPBACK_INDEX = "127.0.0.1/8", 1
_NOT_MOUNTED = {errno.EINVAL, errno.ENOENT}
_FULL = {errno.ENOMEM, errno.ENOSPC, errno.EMFILE, errno.ENFILE}


class KernelNamespaces:
    """Namespaces on Linux."""

    def __init__(self, *, layout: Layout, insides: Insides, runner: Runner) -> None:
        self._layout = layout
        self._insides = insides
        self._runner = runner
        self._directory_lock = threading.Lock()
        self._is_prepared = False

    async def list(self) -> tuple[NamespaceFacts, ...]:
        """Return every namespace of this instance."""
        return await asyncio.to_thread(self._list)

    async def read(self, container: Uid) -> NamespaceFacts | None:
        """Return one container's namespace, None when there is none."""
        return await asyncio.to_thread(self._read, container)

    async def ensure(self, container: Uid, *, id_base: int = 0) -> None:
        """Make the namespace with loopback up and IPv6 off; with `id_base` it belongs to these users' root."""
        try:
            if not id_base or await asyncio.to_thread(self._read, container) is not None:
                await asyncio.to_thread(self._ensure, container)
                return
            async with opened_namespaces(self._runner, id_base, "--user", "--net") as pid:
                await asyncio.to_thread(self._keep_of_process, container, id_base, pid)
        except OSError as exc:
            error = Exhausted if exc.errno in _FULL else Refused
            raise error(f"network namespace of {container}: {exc.strerror}") from exc

    async def delete(self, container: Uid) -> None:
        """Drop the namespace; the kernel removes the links in it in its own time."""
        try:
            await asyncio.to_thread(self._delete, container)
        except OSError as exc:
            raise Refused(f"network namespace of {container}: {exc.strerror}") from exc

    def _list(self) -> tuple[NamespaceFacts, ...]:
        found = (self._read(uid) for uid in self._insides.list())
        return tuple(facts for facts in found if facts is not None)

    def _read(self, container: Uid) -> NamespaceFacts | None:
        inside = self._insides.find(container)
        if inside is None:
            return None
        return NamespaceFacts(
            container=container,
            loopback_up=_has_loopback(inside.read()),
            identity=inside.inode,
            id_base=self._read_id_base(container),
        )

    def _read_id_base(self, container: Uid) -> int:
        try:
            return int(self._id_base_path(container).read_text())
        except FileNotFoundError:
            return 0

    def _id_base_path(self, container: Uid) -> Path:
        return Path(f"{self._layout.userns_path(container)}.base")

    def _keep_of_process(self, container: Uid, id_base: int, pid: int) -> None:
        """Keep both namespaces of a process; the network comes last, for it says that there are any."""
        self._prepare_directory()
        users_path, path = self._layout.userns_path(container), self._layout.netns_path(container)
        Path(users_path).parent.mkdir(mode=0o700, exist_ok=True)
        self._id_base_path(container).write_text(str(id_base))
        _drop(users_path)
        Path(users_path).touch(mode=0o600)
        syscalls.mount(f"/proc/{pid}/ns/user", users_path, flags=syscalls.MS_BIND)
        Path(path).touch(mode=0o600)
        self._insides.adopt(container, run_in_netns(f"/proc/{pid}/ns/net", lambda: _keep_namespace(path)))

    def _ensure(self, container: Uid) -> None:
        inside = self._insides.find(container)
        if inside is not None:
            # The kernel gives it its address when it comes up without one.
            inside.run(rtnetlink.set_down(_LOOPBACK_INDEX), rtnetlink.set_link("lo", up=True))
            return
        self._prepare_directory()
        path = self._layout.netns_path(container)
        Path(path).touch(mode=0o600)
        self._insides.adopt(container, run_apart(lambda: _make_namespace(path)))

    def _prepare_directory(self) -> None:
        """Make the directory a private mount, so that namespaces kept in it don't spread to other mount namespaces."""
        path = self._layout.netns_dir_path
        with self._directory_lock:
            if self._is_prepared:
                return
            if all(mount.target != path for mount in read_mounts(path)):
                Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
                syscalls.mount(path, path, flags=syscalls.MS_BIND)
                syscalls.mount("", path, flags=syscalls.MS_PRIVATE)
            self._drop_lost_users()
            self._is_prepared = True

    def _drop_lost_users(self) -> None:
        """Let go of user namespaces without a network: a daemon ended between making the one and the other."""
        present = set(self._insides.list())
        for path in Path(self._layout.netns_dir_path, "users").glob("*"):
            if Uid(path.stem) not in present and path.suffix != ".base":
                _drop(str(path))

    def _delete(self, container: Uid) -> None:
        inside = self._insides.find(container)
        if inside is not None:
            inside.drop_lingering_links()
        self._insides.forget(container)
        _drop(self._layout.netns_path(container))
        _drop(self._layout.userns_path(container))
        self._id_base_path(container).unlink(missing_ok=True)


def _has_loopback(facts: InsideFacts) -> bool:
    up = any(link.index == _LOOPBACK_INDEX and link.up for link in facts.links)
    return up and any((each.index, each.text) == (_LOOPBACK_INDEX, _LOOPBACK) for each in facts.addresses)


def _drop(path: str) -> None:
    """Let go of the namespace that is kept at a path, if there is one."""
    try:
        syscalls.umount2(path, syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
    except OSError as exc:
        if exc.errno not in _NOT_MOUNTED:
            raise
    Path(path).unlink(missing_ok=True)


def _make_namespace(path: str) -> Inside:
    """Give the calling thread a new namespace, and keep that at `path` once it is whole."""
    syscalls.unshare(syscalls.CLONE_NEWNET)
    return _keep_namespace(path)


def _keep_namespace(path: str) -> Inside:
    """Set up the network namespace of the calling thread, and keep it at `path` once it is whole."""
    for scope in ("all", "default"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")
    inside = Inside()
    try:
        inside.run(rtnetlink.set_link("lo", up=True))
        syscalls.mount(THREAD_NETNS_PATH, path, flags=syscalls.MS_BIND)
    except OSError:
        inside.close()
        raise
    return inside
