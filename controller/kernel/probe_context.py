"""What a health check's program must be given to be a process of the container: derived from its OCI configuration."""

import json
from pathlib import Path, PurePath
from typing import Any

from controller.kernel.bundles import Bundle
from controller.kernel.capabilities import CAPABILITY_NUMBERS
from controller.kernel.cgroups import Cgroups
from controller.kernel.fitting import BPF_ANNOTATION
from controller.kernel.seccomp import FilterCompiler
from controller.kernel.ulimits import RLIMIT_NUMBERS, UNLIMITED

_PLAIN_RUNTIMES = ("crun", "runc")
_PLAIN_NAMESPACES = {"pid", "mount", "uts", "ipc", "cgroup", "network"}


def derive_context(
    bundle: Bundle, runtime_path: str, cgroups: Cgroups, compiler: FilterCompiler
) -> dict[str, Any] | None:
    """Return the context for `probe_child`; None for containers that only their runtime may enter.

    Those are the ones of other runtimes, whose processes may be elsewhere; those with labels, a user namespace or a
    filter that only the runtime can make; and those that may trace processes: they could take over the child on its way
    in.
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
    return {
        "cgroups": [str(path) for path in cgroups.directories(bundle.uid)],
        "oom_score_adj": process.get("oomScoreAdj", 0),
        "rlimits": [_convert_rlimit(each) for each in process.get("rlimits", [])],
        "directory": process["cwd"],
        "environment": dict(item.partition("=")[::2] for item in process["env"]),
        "capabilities": {
            name: sum(1 << CAPABILITY_NUMBERS[each] for each in process["capabilities"].get(name, []))
            for name in ("bounding", "effective", "permitted", "inheritable", "ambient")
        },
        "last_capability": int(Path("/proc/sys/kernel/cap_last_cap").read_text()),
        "no_new_privileges": process.get("noNewPrivileges", False),
        "filter": compiled,
        "umask": user.get("umask", 0o022),
        "uid": user["uid"],
        "gid": user["gid"],
        "groups": user.get("additionalGids", []),
    }


def _find_filter(config: dict[str, Any], compiler: FilterCompiler) -> str | None:
    """Return the compiled seccomp filter, empty for none, None when it can't be compiled here."""
    annotated = config.get("annotations", {}).get(BPF_ANNOTATION)
    if annotated:
        return str(annotated)
    profile = config["linux"].get("seccomp")
    return compiler.compile(profile) if profile else ""


def _convert_rlimit(limit: dict[str, Any]) -> tuple[int, int, int]:
    soft, hard = (-1 if value >= UNLIMITED else value for value in (limit["soft"], limit["hard"]))
    return RLIMIT_NUMBERS[limit["type"].removeprefix("RLIMIT_").lower()], soft, hard
