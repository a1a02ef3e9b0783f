"""Cuts an OCI configuration down to what the host and the daemon itself are allowed."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.kernel.cgroups import Cgroups
from controller.kernel.seccomp import FilterCompiler, select_architectures

BPF_ANNOTATION = "run.oci.seccomp_bpf_data"
_RLIMITS = {f"RLIMIT_{name}": getattr(resource, f"RLIMIT_{name}") for name in ("NOFILE", "NPROC", "CORE")}
_HUGE = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAbilities:
    """What the kernel and the daemon's own limits leave possible; `rlimits` are hard limits by RLIMIT_ name."""

    rlimits: dict[str, int]
    oom_score_adj: int
    swap_accounting: bool


def read_abilities(cgroups: Cgroups) -> HostAbilities:
    """Look at the host and at this process. Fixed while both run."""
    hard = {name: resource.getrlimit(number)[1] for name, number in _RLIMITS.items()}
    infinity = resource.RLIM_INFINITY
    return HostAbilities(
        rlimits={name: _HUGE if limit == infinity else limit for name, limit in hard.items()},
        oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
        swap_accounting=_has_swap_accounting(cgroups),
    )


def _has_swap_accounting(cgroups: Cgroups) -> bool:
    if cgroups.unified_path is not None:
        return Path("/proc/swaps").exists()
    memory = cgroups.v1_paths.get("memory")
    return memory is not None and Path(memory, "memory.memsw.limit_in_bytes").exists()


def fit_config(
    config: dict[str, Any], abilities: HostAbilities, compiler: FilterCompiler | None
) -> dict[str, Any]:
    """Return the configuration with clamped limits and, given a `compiler`, the filter compiled for crun."""
    process = config["process"]
    process["rlimits"] = [
        limit
        | {name: min(limit[name], abilities.rlimits.get(limit["type"], _HUGE)) for name in ("soft", "hard")}
        for limit in process.get("rlimits", [])
    ]
    if "oomScoreAdj" in process:
        process["oomScoreAdj"] = max(process["oomScoreAdj"], abilities.oom_score_adj)
    linux = config["linux"]
    memory = linux.get("resources", {}).get("memory", {})
    if not abilities.swap_accounting:
        memory.pop("swap", None)
    if "seccomp" in linux:
        _fit_seccomp(config, compiler)
    return config


def _fit_seccomp(config: dict[str, Any], compiler: FilterCompiler | None) -> None:
    linux = config["linux"]
    linux["seccomp"] = select_architectures(linux["seccomp"])
    if compiler is None:
        return
    compiled = compiler.compile(linux["seccomp"])
    if compiled is not None:
        config.setdefault("annotations", {})[BPF_ANNOTATION] = compiled
        del linux["seccomp"]
