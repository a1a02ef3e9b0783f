"""Containers' root file systems: `OverlayRoots(layout=...)`."""

import asyncio
import contextlib
import os
import stat
from pathlib import Path

from controller.errors import NotFound
from controller.kernel import syscalls
from controller.kernel.mountinfo import read_mounts
from controller.kernel.roots.accounts import read_accounts_in_layers, read_accounts_in_root
from controller.kernel.roots.idmaps import opened_user_namespace, shift_owners
from controller.kernel.roots.overlay import OwnerMapping, mount_mapped_overlay, mount_overlay, resolve_lower
from controller.kernel.roots.staging import read_staged_layers
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.kernel.tree_removal import remove_tree
from controller.kernel.unmounting import unmount_all
from controller.model.facts import AccountFiles, RootFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant


class OverlayRoots:
    """Implements `controller.ports.Roots`; the mounts lie below a private mount, so that they are seen only here."""

    def __init__(self, *, layout: Layout, runner: Runner) -> None:
        self._layout = layout
        self._runner = runner
        self._private = asyncio.Lock()
        self._known: dict[Uid, tuple[int, tuple[str, ...] | None]] = {}
        """What was found at a root's place, by the unique number of the mount there."""
        self._private_mount_id: int | None = None

    async def list(self) -> tuple[RootFacts, ...]:
        """Return every root that is mounted or has a writable layer."""
        return await asyncio.to_thread(self._list)

    async def read(self, uid: Uid) -> RootFacts:
        """Return the facts of one root, mounted or not."""
        return await asyncio.to_thread(self._read, uid)

    async def mount(self, want: RootWant) -> None:
        """Mount the root; a stale mount of other layers is replaced. NotFound when a lower directory is missing."""
        with translated(f"root of {want.uid}"):
            async with self._private:
                await asyncio.to_thread(self._ensure_private)
            async with opened_user_namespace(self._runner, want.id_base) as user_namespace_fd:
                await asyncio.to_thread(self._mount, want, user_namespace_fd)

    async def unmount(self, uid: Uid) -> None:
        """Unmount the root; the writable layer stays."""
        with translated(f"root of {uid}"):
            await asyncio.to_thread(self._unmount, uid)

    async def delete(self, uid: Uid) -> None:
        """Remove the writable layer and the logs; the root must be unmounted."""
        with translated(f"root of {uid}"), contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(remove_tree, self._layout.container_path(uid))

    async def read_accounts(self, want: RootWant) -> AccountFiles:
        """Return the account files that the container will see, mounted or not, following no link out of the root."""
        with translated(f"root of {want.uid}"):
            return await asyncio.to_thread(self._read_accounts, want)

    def _links_path(self, uid: Uid) -> str:
        return f"{self._layout.container_path(uid)}/lower"

    def _find_mounts(self, only: str = "") -> dict[Uid, tuple[str, ...]]:
        """Return the lower paths of mounted roots, or of one; a later mount at the same place hides an earlier one."""
        prefix = f"{self._layout.roots_path}/"
        return {
            uid: resolve_lower(entry.options, self._links_path(uid))
            for entry in read_mounts(f"{prefix}{only}")
            if entry.kind == "overlay"
            for uid in [Uid(entry.target.removeprefix(prefix))]
            if "/" not in uid
        }

    def _find_mount(self, uid: Uid) -> tuple[str, ...] | None:
        """Return the lower paths of a mounted root, None when it is not mounted.

        The table of mounts is as long as there are containers, so it is read once for each mount.
        """
        try:
            mount_id = syscalls.read_unique_mount_id(self._layout.merged_path(uid))
        except FileNotFoundError:
            self._known.pop(uid, None)
            return None
        known = self._known.get(uid)
        if mount_id is None or known is None or known[0] != mount_id:
            found = self._find_mounts(uid).get(uid)
            known = (mount_id or 0, found)
            self._known[uid] = known
        return known[1]

    def _list(self) -> tuple[RootFacts, ...]:
        mounts = self._find_mounts()
        uids = {*mounts, *(uid for uid in self._list_directories() if self._has_upper(uid))}
        return tuple(self._describe(uid, mounts.get(uid)) for uid in sorted(uids))

    def _list_directories(self) -> tuple[Uid, ...]:
        try:
            return tuple(Uid(name) for name in os.listdir(self._layout.containers_path))  # noqa: PTH208 - names
        except FileNotFoundError:
            return ()

    def _has_upper(self, uid: Uid) -> bool:
        return Path(self._layout.upper_path(uid)).is_dir()

    def _read(self, uid: Uid) -> RootFacts:
        return self._describe(uid, self._find_mount(uid))

    def _describe(self, uid: Uid, lower_paths: tuple[str, ...] | None) -> RootFacts:
        return RootFacts(
            uid=uid,
            mounted=lower_paths is not None,
            lower_paths=lower_paths or (),
            has_upper=self._has_upper(uid),
            id_base=self._read_id_base(uid),
            staged_paths=read_staged_layers(self._layout.staging_path(uid)),
        )

    def _ensure_private(self) -> None:
        path = self._layout.roots_path
        Path(path).mkdir(mode=0o711, parents=True, exist_ok=True)
        mount_id = syscalls.read_unique_mount_id(path)
        if mount_id is not None and mount_id == self._private_mount_id:
            return
        if all(entry.target != path for entry in read_mounts(path)):
            syscalls.mount(path, path, flags=syscalls.MS_BIND)
            syscalls.mount("", path, flags=syscalls.MS_PRIVATE)
        self._private_mount_id = syscalls.read_unique_mount_id(path)

    def _mount(self, want: RootWant, user_namespace_fd: int | None) -> None:
        mounted = self._find_mount(want.uid)
        if mounted == want.lower_paths and self._read_id_base(want.uid) == want.id_base:
            return
        if mounted is not None:
            self._unmount(want.uid)
        upper, work = self._layout.upper_path(want.uid), self._layout.work_path(want.uid)
        target = self._layout.merged_path(want.uid)
        for path in (work, target):
            Path(path).mkdir(parents=True, exist_ok=True)
        if want.lower_paths and not Path(upper).exists():
            _make_upper(Path(upper), Path(want.lower_paths[0]))
        self._give_to(want)
        links_path = self._links_path(want.uid)
        if user_namespace_fd is None:
            mount_overlay(target, want.lower_paths, (upper, work), links_path)
        else:
            scratch_path = f"{self._layout.roots_path}/.mapped/{want.uid}"
            mapping = OwnerMapping(user_namespace_fd=user_namespace_fd, scratch_path=scratch_path)
            mount_mapped_overlay(target, want.lower_paths, (upper, work), links_path, mapping)
        self._remember(want)

    def _remember(self, want: RootWant) -> None:
        """Spare a look at the table for what was just mounted."""
        mount_id = syscalls.read_unique_mount_id(self._layout.merged_path(want.uid))
        if mount_id is not None:
            self._known[want.uid] = (mount_id, want.lower_paths)

    def _give_to(self, want: RootWant) -> None:
        """Let the writable layer belong to the users that the root is for, and remember who they are."""
        present = self._read_id_base(want.uid)
        if present == want.id_base:
            return
        shift_owners(self._layout.upper_path(want.uid), old_base=present, new_base=want.id_base)
        path = self._id_base_path(want.uid)
        path.with_suffix(".new").write_text(str(want.id_base))
        path.with_suffix(".new").replace(path)

    def _id_base_path(self, uid: Uid) -> Path:
        return Path(self._layout.container_path(uid), "id_base")

    def _read_id_base(self, uid: Uid) -> int:
        try:
            return int(self._id_base_path(uid).read_text())
        except FileNotFoundError:
            return 0

    def _unmount(self, uid: Uid) -> None:
        target = self._layout.merged_path(uid)
        self._known.pop(uid, None)
        unmount_all(target)
        with contextlib.suppress(FileNotFoundError):
            Path(target).rmdir()

    def _read_accounts(self, want: RootWant) -> AccountFiles:
        if self._find_mount(want.uid) == want.lower_paths:
            return read_accounts_in_root(self._layout.merged_path(want.uid))
        return read_accounts_in_layers((self._layout.upper_path(want.uid), *want.lower_paths))


def _make_upper(upper: Path, top: Path) -> None:
    """Make the writable layer; the root directory looks as in the topmost layer until the container changes it."""
    try:
        status = top.stat()
    except FileNotFoundError as exc:
        raise NotFound(f"{top} is not a directory") from exc
    new = upper.with_name("upper.new")
    new.mkdir(exist_ok=True)
    os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))
    new.rename(upper)
