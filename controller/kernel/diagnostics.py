"""Looks at the host for `hold info`, `hold version` and `hold doctor`."""

import asyncio
import importlib.metadata
import os
import platform
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from controller.errors import HoldError
from controller.kernel.logs.journal import find_journal_error
from controller.kernel.subprocesses import Runner
from controller.model.host import Check, HostDescription, HostProbe
from controller.model.layout import Layout
from controller.plan.checks import judge_host

_TOOLS = (
    "crun",
    "runc",
    "conmon",
    "iptables",
    "iptables-restore",
    "iptables-save",
    "ip6tables",
    "tini-static",
    "catatonit",
    "journalctl",
)
_UNIFIED_PATH = Path("/sys/fs/cgroup/cgroup.controllers")


class HostDiagnostics:
    """Implements `controller.ports.Diagnostics` for the host that this process runs on."""

    def __init__(
        self,
        *,
        layout: Layout,
        runner: Runner,
        default_runtime: str,
        resolv_conf_path: str,
        started_at: datetime,
    ) -> None:
        self._layout = layout
        self._runner = runner
        self._default_runtime = default_runtime
        self._resolv_conf_path = resolv_conf_path
        self._started_at = started_at

    async def describe(self) -> HostDescription:
        """Return facts about the host and the daemon."""
        release = await asyncio.to_thread(platform.freedesktop_os_release)
        return HostDescription(
            version=importlib.metadata.version("hold"),
            python_version=platform.python_version(),
            kernel_release=platform.release(),
            architecture=platform.machine(),
            operating_system=release.get("PRETTY_NAME", "Linux"),
            processors=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            cgroup_layout=await asyncio.to_thread(_find_cgroup_layout),
            firewall_backend=await self._find_firewall_backend(),
            default_runtime=self._default_runtime,
            pid=os.getpid(),
            started_at=self._started_at,
        )

    async def diagnose(self) -> tuple[Check, ...]:
        """Look at everything that hold needs and judge it."""
        firewall_error = await self._find_firewall_error()
        return judge_host(await asyncio.to_thread(self._probe, firewall_error))

    def _probe(self, firewall_error: str) -> HostProbe:
        root_path = Path(self._layout.root_path)
        return HostProbe(
            effective_uid=os.geteuid(),
            kernel_release=platform.release(),
            tools={name: shutil.which(name) or "" for name in _TOOLS},
            file_systems=_read_file_systems(),
            namespaces=frozenset(path.name for path in Path("/proc/self/ns").iterdir()),
            controllers=_read_controllers(),
            cgroup_layout=_find_cgroup_layout(),
            seccomp=any(
                line.startswith("Seccomp:") for line in Path("/proc/self/status").read_text().splitlines()
            ),
            root_path=str(root_path),
            root_file_system=_find_file_system(root_path),
            root_free_bytes=shutil.disk_usage(_existing_parent(root_path)).free,
            root_error=_try_writing(root_path),
            run_path=self._layout.run_path,
            run_error=_try_writing(Path(self._layout.run_path)),
            resolvers=_count_resolvers(Path(self._resolv_conf_path)),
            resolv_conf_path=self._resolv_conf_path,
            firewall_error=firewall_error,
            journal_error=find_journal_error(),
        )

    async def _find_firewall_backend(self) -> str:
        try:
            answer = await self._runner.run("iptables", "--version")
        except HoldError:
            return "missing"
        return "legacy" if "legacy" in answer else "nft"

    async def _find_firewall_error(self) -> str:
        try:
            await self._runner.run("iptables-save", "-t", "nat")
        except HoldError as error:
            return error.message
        return ""


def _find_cgroup_layout() -> str:
    if _UNIFIED_PATH.exists():
        return "v2"
    return "hybrid" if (_UNIFIED_PATH.parent / "unified" / _UNIFIED_PATH.name).exists() else "v1"


def _read_controllers() -> frozenset[str]:
    if _UNIFIED_PATH.exists():
        return frozenset(_UNIFIED_PATH.read_text().split())
    lines = Path("/proc/cgroups").read_text().splitlines()[1:]
    return frozenset(name for name, *_, enabled in map(str.split, lines) if enabled == "1")


def _read_file_systems() -> frozenset[str]:
    """Return the types that the kernel knows now or can load a module for."""
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    module_path = Path("/lib/modules", platform.release(), "kernel/fs/overlayfs")
    return frozenset(known | {"overlay"} if module_path.exists() else known)


def _existing_parent(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _find_file_system(path: Path) -> str:
    """Return the type of the file system that `path` is or will be on."""
    target = str(_existing_parent(path).resolve())
    best, kind = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4]
        inside = point in ("/", target) or target.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def _try_writing(path: Path) -> str:
    """Return why no file can be made at `path`, empty when one can."""
    try:
        with tempfile.TemporaryFile(dir=_existing_parent(path)):
            return ""
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}"


def _count_resolvers(path: Path) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return sum(1 for line in lines if line.split()[:1] == ["nameserver"])
