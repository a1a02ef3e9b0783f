"""Containers' cgroups in the trees of version 1 and of version 2: `Cgroups.find(instance)` looks at what is mounted.

Which controllers are where is fixed while the host runs, so it is looked up once.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.kernel.mountinfo import MountEntry, read_mounts
from controller.model.ids import Uid
from controller.model.names import derive_cgroup

_READ_BYTES = 1 << 16
CONTROLLERS = ("memory", "cpu", "cpuacct", "cpuset", "blkio", "pids", "freezer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroups:
    """The mounted trees. `v1_paths` maps a controller to its mount point; `mount_paths` are all trees, once each.

    `unified_path` is the tree of version 2, None where controllers are in version 1 trees. `held` are the containers that
    are frozen for a moment, with whether they are to stay so: they do not count as frozen otherwise.
    """

    instance: str
    mount_paths: tuple[str, ...]
    v1_paths: Mapping[str, str]
    unified_path: str | None
    hybrid: bool
    held: dict[Uid, bool] = field(default_factory=dict, compare=False)

    @classmethod
    def find(cls, instance: str) -> "Cgroups":
        """Look at the mounts of this process; one that another mount covers is not there."""
        mount_paths: dict[str, None] = {}
        v1_paths: dict[str, str] = {}
        unified: str | None = None
        for entry in read_mounts():
            if not entry.target.startswith("/sys/fs/cgroup") or not _is_visible(entry):
                continue
            if entry.kind == "cgroup2":
                unified = entry.target
                mount_paths[entry.target] = None
            elif entry.kind == "cgroup":
                mount_paths[entry.target] = None
                v1_paths |= {name: entry.target for name in entry.options.split(",") if name in CONTROLLERS}
        hybrid = bool(v1_paths) and unified is not None
        return cls(
            instance=instance,
            mount_paths=tuple(mount_paths),
            v1_paths=v1_paths,
            unified_path=None if v1_paths else unified,
            hybrid=hybrid,
        )

    def directory(self, uid: Uid, controller: str) -> Path | None:
        """Return the container's directory for a controller, None when the host does not have it."""
        base = self.unified_path or self.v1_paths.get(controller)
        return Path(f"{base}{derive_cgroup(self.instance, uid)}") if base is not None else None

    def directories(self, uid: Uid) -> list[Path]:
        """Return the directories that the container has now."""
        cgroup = derive_cgroup(self.instance, uid)
        paths = (Path(f"{base}{cgroup}") for base in self.mount_paths)
        return [path for path in paths if path.is_dir()]

    def owns(self, uid: Uid, pid: int) -> bool:
        """Tell whether a living process is in the container's cgroup: a recycled pid is not."""
        return _is_alive(pid) and self._has(uid, pid)

    def members(self, uid: Uid, folder: str) -> list[int]:
        """Return the processes in a directory of the container's, ended ones that nobody has waited for too.

        A process of the host that has a thread there, for a moment, is none of them: version 1 lists it all the same.
        Of a directory of threads (cgroups(7)) version 2 tells no processes.
        """
        try:
            pids = [int(pid) for pid in read_text(f"{folder}/cgroup.procs").split()]
        except OSError as exc:
            if exc.errno != errno.EOPNOTSUPP:
                raise
            return []
        return [pid for pid in pids if self._has(uid, pid) or not _is_alive(pid)]

    def _has(self, uid: Uid, pid: int) -> bool:
        cgroup = derive_cgroup(self.instance, uid)
        return any(cgroup in line for line in read_text(f"/proc/{pid}/cgroup").splitlines())

    def is_frozen(self, uid: Uid) -> bool:
        """Tell whether the container's processes are frozen or about to be, and not just held for a moment."""
        if uid in self.held:
            return self.held[uid]
        path = self.directory(uid, "freezer")
        if path is None:
            return False
        if self.unified_path is not None:
            return read_text(path / "cgroup.freeze") == "1"
        return read_text(path / "freezer.state") not in ("THAWED", "")

    def freeze(self, uid: Uid, *, frozen: bool) -> None:
        """Freeze or thaw; FileNotFoundError when the container has no cgroup."""
        path = self.directory(uid, "freezer")
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "no freezer on this host")
        if self.unified_path is not None:
            (path / "cgroup.freeze").write_text("1" if frozen else "0")
        else:
            (path / "freezer.state").write_text("FROZEN" if frozen else "THAWED")

    def has_settled(self, uid: Uid) -> bool:
        """Tell whether every process of a container that was frozen has come to rest."""
        path = self.directory(uid, "freezer")
        if path is None:
            return True
        if self.unified_path is not None:
            return "frozen 1" in read_text(path / "cgroup.events").splitlines()
        return read_text(path / "freezer.state") == "FROZEN"

    def count_oom_kills(self, uid: Uid) -> int:
        """Return how many processes of the container were killed for want of memory."""
        path = self.directory(uid, "memory")
        if path is None:
            return 0
        name = "memory.events" if self.unified_path is not None else "memory.oom_control"
        fields = dict(line.split(" ", 1) for line in read_text(path / name).splitlines() if " " in line)
        return int(fields.get("oom_kill", "0"))

    def kill(self, uid: Uid) -> None:
        """Send SIGKILL to every process in the container's cgroups."""
        for path in self.directories(uid):
            for pid in self.members(uid, str(path)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def remove(self, uid: Uid) -> bool:
        """Remove the container's cgroups; False while processes in them are still ending."""
        gone = True
        for path in self.directories(uid):
            for folder, _, _ in os.walk(path, topdown=False):
                try:
                    Path(folder).rmdir()
                except FileNotFoundError:
                    continue
                except OSError as exc:
                    if exc.errno != errno.EBUSY:
                        raise
                    gone = False
        return gone


def _is_visible(entry: MountEntry) -> bool:
    try:
        return Path(entry.target).stat().st_dev == entry.device
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] not in ("Z", "X")


def read_text(path: Path | str) -> str:
    """Return a small kernel file's text without the final newline; empty when it is missing.

    Without Python's own files, which cost several times what the kernel does: one look at a container reads twenty.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while part := os.read(fd, _READ_BYTES):
                parts.append(part)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as exc:
        if exc.errno == errno.ENODEV:  # the cgroup is being removed
            return ""
        raise
    return b"".join(parts).decode().rstrip("\n")
