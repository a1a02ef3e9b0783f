"""What a health check's program must be given to be a process of the container: derived from its OCI configuration."""

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.ulimits import RLIMIT_NUMBERS, UNLIMITED
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.capabilities import CAPABILITY_NUMBERS
from controller.kernel.processes.fitting import BPF_ANNOTATION
from controller.kernel.processes.seccomp import FilterCompiler, select_architectures
from controller.plan.oci.seccomp import render_seccomp

_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_PLAIN_RUNTIMES = ("crun", "runc")
_PLAIN_NAMESPACES = {"pid", "mount", "uts", "ipc", "cgroup", "network"}


def render_context(
    bundle: Bundle, runtime_path: str, cgroups: Cgroups, compiler: FilterCompiler
) -> bytes | None:
    """Return the context for `probe_child`: NAME=VALUE, each ended by a NUL byte, some names more than once.

    None for containers that only their runtime may enter: those of other runtimes, whose processes may be elsewhere; those
    with labels, a user namespace or a filter that only the runtime can make; and those that may trace processes: they
    could take over the child on its way in.
    """
    config: dict[str, Any] = json.loads(bundle.config_path.read_text())
    process, linux = config["process"], config["linux"]
    compiled = _find_filter(config, compiler)
    if PurePath(runtime_path).name not in _PLAIN_RUNTIMES or compiled is None:
        return None
    if process.get("apparmorProfile") or process.get("selinuxLabel"):
        return None
    if not {each["type"] for each in linux["namespaces"]} <= _PLAIN_NAMESPACES:
        return None
    if "CAP_SYS_PTRACE" in process["capabilities"]["bounding"]:
        return None
    user = process["user"]
    items = [
        *(("cgroup", path) for path in cgroups.directories(bundle.uid)),
        ("oom_score_adj", process.get("oomScoreAdj", 0)),
        *(("rlimit", _render_rlimit(each)) for each in process.get("rlimits", [])),
        ("directory", process["cwd"]),
        *(("environment", item) for item in process["env"]),
        *((name, _join(process["capabilities"].get(name, []))) for name in _CAPABILITY_SETS),
        ("last_capability", Path("/proc/sys/kernel/cap_last_cap").read_text().strip()),
        ("no_new_privileges", int(process.get("noNewPrivileges", False))),
        ("filter", compiled),
        ("known_filter", int(_is_known(compiled, process["capabilities"]["bounding"], compiler))),
        ("umask", user.get("umask", 0o022)),
        ("uid", user["uid"]),
        ("gid", user["gid"]),
        *(("group", group) for group in user.get("additionalGids", [])),
    ]
    return b"".join(os.fsencode(f"{name}={value}\0") for name, value in items)


def _join(capabilities: Iterable[str]) -> int:
    """Return the bit mask of capabilities."""
    return sum(1 << CAPABILITY_NUMBERS[each] for each in capabilities)


def _find_filter(config: dict[str, Any], compiler: FilterCompiler) -> str | None:
    """Return the compiled seccomp filter, empty for none, None when it can't be compiled here."""
    annotated = config.get("annotations", {}).get(BPF_ANNOTATION)
    if annotated:
        return str(annotated)
    profile = config["linux"].get("seccomp")
    return compiler.compile(profile) if profile else ""


def _is_known(compiled: str, capabilities: Iterable[str], compiler: FilterCompiler) -> bool:
    """Tell whether a filter is the default one, or none."""
    return not compiled or compiled == compiler.compile(
        select_architectures(render_seccomp(list(capabilities)))
    )


def _render_rlimit(limit: dict[str, Any]) -> str:
    soft, hard = (-1 if value >= UNLIMITED else value for value in (limit["soft"], limit["hard"]))
    return f"{RLIMIT_NUMBERS[limit['type'].removeprefix('RLIMIT_').lower()]} {soft} {hard}"
