"""The default seccomp profile, as strong as Docker's: an allow list, with conditions on a few calls."""

from collections.abc import Collection, Iterable
from typing import Any

from controller.plan.oci.syscalls import ALLOWED, BY_CAPABILITY, DENIED

EPERM = 1
ENOSYS = 38

_ARCHITECTURES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]

_NAMESPACE_FLAGS = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, Linux32, uname 2.6 and both, and the question for the present one (personality(2))."""

_AF_VSOCK = 40


def render_seccomp(capabilities: Collection[str]) -> dict[str, Any]:
    """Return `linux.seccomp` of the OCI configuration: the default filter of a container with these capabilities."""
    granted = {name for held in capabilities for name in BY_CAPABILITY.get(held, ())}
    makes_namespaces = "CAP_SYS_ADMIN" in capabilities
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "architectures": list(_ARCHITECTURES),
        "syscalls": [
            {"names": [*ALLOWED, *sorted(granted)], "action": "SCMP_ACT_ALLOW"},
            _refuse(name for name in DENIED if name not in granted),
            *([_allow_always("clone", "clone3")] if makes_namespaces else _clone_rules()),
            *_personality_rules(),
            *_socket_rules(),
        ],
    }


def _allow_always(*names: str) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW"}


def _refuse(names: Iterable[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    rule = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM}
    return rule | ({"args": list(arguments)} if arguments else {})


def _allow(name: str, argument: dict[str, Any]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}


def _compare(index: int, value: int, operator: str) -> dict[str, Any]:
    return {"index": index, "value": value, "op": operator}


def _clone_rules() -> list[dict[str, Any]]:
    """New threads and processes, no new namespaces."""
    every_flag = sum(_NAMESPACE_FLAGS.values())
    allowed = {"index": 0, "value": every_flag, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    refused = [
        _refuse(["clone"], {"index": 0, "value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"})
        for flag in _NAMESPACE_FLAGS.values()
    ]
    # With its flags in memory a filter can't see, clone3 has to look like a missing call.
    hidden = {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}
    return [_allow("clone", allowed), *refused, hidden]


def _personality_rules() -> list[dict[str, Any]]:
    return [_allow("personality", _compare(0, value, "SCMP_CMP_EQ")) for value in _PERSONALITIES]


def _socket_rules() -> list[dict[str, Any]]:
    """Every family but the one that reaches hypervisors."""
    return [
        _allow("socket", _compare(0, _AF_VSOCK, "SCMP_CMP_NE")),
        _refuse(["socket"], _compare(0, _AF_VSOCK, "SCMP_CMP_EQ")),
    ]
