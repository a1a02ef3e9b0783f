"""The host as a person asks about it: what it is, and what it lacks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CheckResult(StrEnum):
    """How a check of the host ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that hold needs of the host: `message` says what was found, `remedy` what to do when it is not ok."""

    name: str
    result: CheckResult
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDescription:
    """The host and this daemon on it. `cgroup_layout` is v1, v2 or hybrid, `firewall_backend` nft or legacy."""

    version: str
    python_version: str
    kernel_release: str
    architecture: str
    operating_system: str
    processors: int
    memory_bytes: int
    cgroup_layout: str
    firewall_backend: str
    default_runtime: str
    pid: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProbe:
    """Raw findings about the host, for `controller.plan.checks` to judge.

    `tools` maps each program that was looked for to its path, empty when missing. `file_systems` and `controllers` are
    names the kernel knows; `root_file_system` is the type below the data directory; `root_error` and `run_error` say
    why a directory can't be written, empty when it can; `journal_error` why the journal takes nothing.
    """

    effective_uid: int
    kernel_release: str
    tools: dict[str, str]
    file_systems: frozenset[str]
    namespaces: frozenset[str]
    controllers: frozenset[str]
    cgroup_layout: str
    seccomp: bool
    root_path: str
    root_file_system: str
    root_free_bytes: int
    root_error: str
    run_path: str
    run_error: str
    resolvers: int
    resolv_conf_path: str
    firewall_error: str
    journal_error: str
