"""Cuts an OCI configuration down to what the host and the daemon itself are allowed."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.errors import Refused
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.cpusets import refuse_missing
from controller.kernel.cgroups.ulimits import read_highest_ulimits
from controller.kernel.processes.capabilities import CAPABILITY_NUMBERS
from controller.kernel.processes.seccomp import FilterCompiler, select_architectures

BPF_ANNOTATION = "run.oci.seccomp_bpf_data"
_HUGE = 2**64 - 1
"""What the configuration has for no limit."""
_MOUNT_SETATTR_SINCE = (5, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAbilities:
    """What the kernel and the daemon's own limits leave possible; `rlimits` are hard limits by RLIMIT_ name; `unified` tells of cgroup v2.

    `capabilities` are the daemon's own bounding set as a bit mask (capabilities(7)); `recursive_read_only` tells whether
    mount_setattr(2) is there.
    """

    rlimits: dict[str, int]
    oom_score_adj: int
    swap_accounting: bool
    unified: bool = False
    capabilities: int = -1
    recursive_read_only: bool = True
    apparmor: bool = True
    selinux: bool = True


def read_abilities(cgroups: Cgroups) -> HostAbilities:
    """Look at the host and at this process. Fixed while both run."""
    return HostAbilities(
        rlimits={f"RLIMIT_{name.upper()}": most for name, most in read_highest_ulimits().items()},
        oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
        swap_accounting=_has_swap_accounting(cgroups),
        unified=cgroups.unified_path is not None,
        capabilities=_read_bounding_set(),
        recursive_read_only=_read_kernel_version() >= _MOUNT_SETATTR_SINCE,
        apparmor=Path("/sys/kernel/security/apparmor").is_dir(),
        selinux=Path("/sys/fs/selinux/enforce").exists(),
    )


def _read_bounding_set() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapBnd:")), -1)


def _read_kernel_version() -> tuple[int, ...]:
    parts = platform.release().split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


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
    _fit_confinement(process, abilities)
    if not abilities.recursive_read_only:
        for mount in config["mounts"]:
            mount["options"] = [option for option in mount["options"] if option != "rro"]
    linux = config["linux"]
    cpu = linux.get("resources", {}).get("cpu", {})
    refuse_missing(cpus=cpu.get("cpus"), mems=cpu.get("mems"))
    memory = linux.get("resources", {}).get("memory", {})
    if not abilities.swap_accounting:
        memory.pop("swap", None)
    if abilities.unified:  # cgroup v2 has neither, and crun refuses them
        memory.pop("swappiness", None)
        memory.pop("disableOOMKiller", None)
    if "seccomp" in linux:
        _fit_seccomp(config, compiler)
    return config


def _fit_confinement(process: dict[str, Any], abilities: HostAbilities) -> None:
    """Leave out capabilities that the daemon itself has not; Refused where the host lacks a module that is asked for."""
    for name, held in process["capabilities"].items():
        process["capabilities"][name] = [
            each for each in held if abilities.capabilities >> CAPABILITY_NUMBERS[each] & 1
        ]
    if "apparmorProfile" in process and not abilities.apparmor:
        raise Refused(
            f"AppArmor profile {process['apparmorProfile']} is asked for, and the host has no AppArmor"
        )
    if "selinuxLabel" in process and not abilities.selinux:
        raise Refused(f"SELinux label {process['selinuxLabel']} is asked for, and the host has no SELinux")


def _fit_seccomp(config: dict[str, Any], compiler: FilterCompiler | None) -> None:
    linux = config["linux"]
    linux["seccomp"] = select_architectures(linux["seccomp"])
    if compiler is None:
        return
    compiled = compiler.compile(linux["seccomp"])
    if compiled is not None:
        config.setdefault("annotations", {})[BPF_ANNOTATION] = compiled
        del linux["seccomp"]
