"""A container's own filter of system calls, from Docker's format or OCI's to what a runtime reads."""

from collections.abc import Collection
from typing import Any

from controller.model.seccomp import SeccompFilter, SeccompProfile, SeccompRule
from controller.plan.oci.surroundings import HostTexts

_GO_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
}
"""What Go and libseccomp call a machine, by what uname(2) does."""


def render_profile(profile: SeccompProfile, capabilities: Collection[str], host: HostTexts) -> dict[str, Any]:
    """Return `linux.seccomp`: the rules that count for these capabilities, this machine and this kernel."""
    rendered: dict[str, Any] = {
        "defaultAction": profile.default_action,
        "architectures": _choose_architectures(profile, host),
        "syscalls": [_render_rule(rule) for rule in profile.syscalls if _counts(rule, capabilities, host)],
    }
    if profile.default_errno_ret is not None:
        rendered["defaultErrnoRet"] = profile.default_errno_ret
    if profile.flags:
        rendered["flags"] = list(profile.flags)
    return rendered


def _choose_architectures(profile: SeccompProfile, host: HostTexts) -> list[str]:
    if not profile.arch_map:
        return list(profile.architectures)
    _, own = _GO_MACHINES.get(host.machine, ("", ""))
    for entry in profile.arch_map:
        if entry.architecture == own:
            return [own, *entry.sub_architectures]
    return []


def _counts(rule: SeccompRule, capabilities: Collection[str], host: HostTexts) -> bool:
    machine, _ = _GO_MACHINES.get(host.machine, ("", ""))
    wanted, unwanted = rule.includes, rule.excludes
    if unwanted.arches and machine in unwanted.arches:
        return False
    if any(name in capabilities for name in unwanted.caps):
        return False
    if unwanted.min_kernel and _is_kernel_at_least(host.kernel_release, unwanted):
        return False
    if wanted.arches and machine not in wanted.arches:
        return False
    if any(name not in capabilities for name in wanted.caps):
        return False
    return not wanted.min_kernel or _is_kernel_at_least(host.kernel_release, wanted)


def _is_kernel_at_least(release: str, condition: SeccompFilter) -> bool:
    return _parse_version(release) >= _parse_version(condition.min_kernel)


def _parse_version(text: str) -> tuple[int, ...]:
    parts = text.split("-", maxsplit=1)[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _render_rule(rule: SeccompRule) -> dict[str, Any]:
    rendered: dict[str, Any] = {"names": list(rule.names) or [rule.name], "action": rule.action}
    if rule.errno_ret is not None:
        rendered["errnoRet"] = rule.errno_ret
    if rule.args:
        rendered["args"] = [
            {"index": arg.index, "value": arg.value, "valueTwo": arg.value_two, "op": arg.op}
            for arg in rule.args
        ]
    return rendered
