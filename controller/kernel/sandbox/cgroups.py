"""A cgroup of the throw-away host's own in every hierarchy, which is the root cgroup as seen from inside.

Version 1 hierarchies, version 2 alone, and the hybrid of both are known. In the hybrid the version 2 tree is left out:
crun does not work beside it, and no controller is in it.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.sandbox import syscalls

CGROUP_ROOT_PATH = Path("/sys/fs/cgroup")

_PREFIX = "hold-host-"
_GONE_WITHIN_S = 20
_RETRY_S = 0.05
_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """One mounted cgroup tree: version 1 has controllers (or a name), version 2 has none."""

    mount_path: Path
    controllers: str
    current_path: Path

    @property
    def is_v2(self) -> bool:
        """The unified hierarchy."""
        return not self.controllers


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCgroups:
    """The cgroups of one throw-away host."""

    name: str
    hierarchies: tuple[Hierarchy, ...]

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator["OwnCgroups"]:
        """Make them; remove them and all below at the end, and before that what killed throw-away hosts have left."""
        cgroups = cls(name=f"{_PREFIX}{os.getpid()}-{secrets.token_hex(3)}", hierarchies=read_hierarchies())
        _remove_trees(_find_stale(cgroups.hierarchies))
        own_paths = [hierarchy.current_path / cgroups.name for hierarchy in cgroups.hierarchies]
        try:
            for path in own_paths:
                _create(path)
            yield cgroups
        finally:
            _remove_trees(own_paths)

    def enter(self) -> None:
        """Move the calling process in; a cgroup namespace unshared after this has them as its root."""
        for hierarchy in self.hierarchies:
            (hierarchy.current_path / self.name / "cgroup.procs").write_text("0")

    def mount_inside(self) -> None:
        """Mount the trees over /sys/fs/cgroup, as seen from the calling process' cgroup namespace."""
        if self.hierarchies and self.hierarchies[0].is_v2:
            syscalls.mount("cgroup2", CGROUP_ROOT_PATH, "cgroup2", _FLAGS)
            _hand_out_controllers(CGROUP_ROOT_PATH)
            return
        syscalls.mount("tmpfs", CGROUP_ROOT_PATH, "tmpfs", _FLAGS, "mode=755")
        for hierarchy in self.hierarchies:
            mount_path = CGROUP_ROOT_PATH / hierarchy.mount_path.name
            mount_path.mkdir()
            syscalls.mount("cgroup", mount_path, "cgroup", _FLAGS, hierarchy.controllers)


def read_hierarchies() -> tuple[Hierarchy, ...]:
    """The trees this process can use: all of version 1, or version 2 where there are none."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    found: list[Hierarchy] = []
    for _, controllers, path in lines:
        for fields in mounts:
            if _is_mount_of(fields, controllers):
                mount_path = Path(fields[4])
                current_path = mount_path / os.path.relpath(path, fields[3])
                found.append(
                    Hierarchy(mount_path=mount_path, controllers=controllers, current_path=current_path)
                )
                break
    v1 = tuple(hierarchy for hierarchy in found if not hierarchy.is_v2)
    return v1 or tuple(found)


def thaw_all() -> None:
    """Thaw every frozen version 1 cgroup of this host: a frozen process can't be killed there."""
    _thaw(CGROUP_ROOT_PATH / "freezer")


def _is_mount_of(mount_fields: list[str], controllers: str) -> bool:
    kind, _, options = mount_fields[mount_fields.index("-") + 1 :][:3]
    if not controllers:
        return kind == "cgroup2"
    return kind == "cgroup" and set(controllers.split(",")) <= set(options.split(","))


def _create(path: Path) -> None:
    path.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # version 1 refuses processes where these are empty
        if (path / name).exists() and not (path / name).read_text().strip():
            (path / name).write_text((path.parent / name).read_text())


def _hand_out_controllers(root_path: Path) -> None:
    """Version 2 gives controllers only to children of a cgroup without processes: move them into a leaf first."""
    leaf_path = root_path / "init"
    leaf_path.mkdir()
    for pid in (root_path / "cgroup.procs").read_text().split():
        if pid != "0":  # outside of this process namespace
            (leaf_path / "cgroup.procs").write_text(pid)
    controllers = (root_path / "cgroup.controllers").read_text().split()
    (root_path / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def _find_stale(hierarchies: Iterable[Hierarchy]) -> list[Path]:
    """The cgroups whose owners are gone."""
    paths = [path for hierarchy in hierarchies for path in hierarchy.current_path.glob(f"{_PREFIX}*")]
    return [path for path in paths if not Path("/proc", _parse_owner(path)).exists()]


def _parse_owner(path: Path) -> str:
    return path.name.removeprefix(_PREFIX).partition("-")[0]


def _remove_trees(paths: Sequence[Path]) -> None:
    """Remove cgroups and all below. What runs in them is being killed, which a frozen process takes once thawed."""
    for path in paths:
        _thaw(path)
    for path in paths:
        _remove_tree(path)


def _remove_tree(path: Path) -> None:
    """Remove a cgroup and all below; processes in it are ending, so it is tried until they are gone."""
    deadline_s = time.monotonic() + _GONE_WITHIN_S
    while path.exists():
        try:
            for folder, _, _ in os.walk(path, topdown=False):
                Path(folder).rmdir()
        except OSError as exc:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"cgroup {path} is still in use") from exc
            time.sleep(_RETRY_S)


def _thaw(path: Path) -> None:
    for folder, _, files in os.walk(path):
        if "freezer.state" in files:
            Path(folder, "freezer.state").write_text("THAWED")
