"""Compiles seccomp profiles of the OCI configuration to BPF with libseccomp: `FilterCompiler()`.

crun takes a compiled filter from an annotation, which spares it the compilation for each container
(https://github.com/containers/crun/blob/main/crun.1.md, run.oci.seccomp_bpf_data).
"""

import base64
import contextlib
import ctypes
import hashlib
import json
import logging
import os
import platform
from typing import Any, Self

from controller.kernel.processes.seccomp_ranges import shorten_filter

logger = logging.getLogger(__name__)

_LIBRARY = "libseccomp.so.2"
_ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000}
_OPERATORS = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}  # fmt: skip
_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_ARM": 0x40000028,
}
_OF_MACHINE = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
_UNKNOWN_CALL = -1
_EEXIST = 17
_OPTIMIZE, _OPTIMIZE_AS_TREE = 8, 2
"""SCMP_FLTATR_CTL_OPTIMIZE, which libseccomp has since 2.5; older ones refuse it and go on."""


class _Argument(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class FilterCompiler:
    """Compiles each profile once and remembers the result."""

    def __init__(self) -> None:
        self._filters: dict[str, str | None] = {}

    def compile(self, profile: dict[str, Any]) -> str | None:
        """Return the filter in base64, None when it can't be compiled here (the runtime then has to)."""
        digest = hashlib.sha256(json.dumps(profile, sort_keys=True).encode()).hexdigest()
        if digest not in self._filters:
            self._filters[digest] = _compile(profile)
        return self._filters[digest]


def select_architectures(profile: dict[str, Any]) -> dict[str, Any]:
    """Return the profile with those of its architectures that this machine runs."""
    own = _OF_MACHINE.get(platform.machine(), ())
    return profile | {"architectures": [name for name in profile.get("architectures", []) if name in own]}


def _compile(profile: dict[str, Any]) -> str | None:
    try:
        library = ctypes.CDLL(_LIBRARY)
        with _Filter(library, profile) as compiled:
            return base64.b64encode(shorten_filter(compiled.export())).decode()
    except (OSError, KeyError) as error:
        logger.info("seccomp profile left to the runtime", extra={"reason": str(error)})
        return None


class _Filter:
    """One libseccomp context, entered to have it filled. KeyError names an action or operator not known here."""

    def __init__(self, library: ctypes.CDLL, profile: dict[str, Any]) -> None:
        self._library = library
        self._profile = profile
        self._context = ctypes.c_void_p()
        library.seccomp_init.restype = ctypes.c_void_p
        self._default = _find_action(profile["defaultAction"], profile.get("defaultErrnoRet"))

    def __enter__(self) -> Self:
        context = self._library.seccomp_init(ctypes.c_uint32(self._default))
        if not context:
            raise OSError("seccomp_init failed")
        self._context = ctypes.c_void_p(context)
        with contextlib.ExitStack() as undo:
            undo.callback(self._release)
            self._fill()
            undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._release()

    def export(self) -> bytes:
        """Return the program."""
        fd = os.memfd_create("seccomp")
        try:
            self._check(self._library.seccomp_export_bpf(self._context, fd))
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    def _release(self) -> None:
        self._library.seccomp_release(self._context)

    def _fill(self) -> None:
        # A chain of comparisons makes the kernel walk all of it for each system call when the filter is installed.
        self._library.seccomp_attr_set(self._context, _OPTIMIZE, _OPTIMIZE_AS_TREE)
        for name in self._profile.get("architectures", []):
            result = self._library.seccomp_arch_add(self._context, ctypes.c_uint32(_ARCHITECTURES[name]))
            if result != -_EEXIST:
                self._check(result)
        for rule in self._profile["syscalls"]:
            action = _find_action(rule["action"], rule.get("errnoRet"))
            if action != self._default:
                self._add(rule, action)

    def _add(self, rule: dict[str, Any], action: int) -> None:
        arguments = rule.get("args", [])
        array = (_Argument * len(arguments))(
            *(
                _Argument(item["index"], _OPERATORS[item["op"]], item["value"], item.get("valueTwo", 0))
                for item in arguments
            )
        )
        for name in rule["names"]:
            number = self._library.seccomp_syscall_resolve_name(name.encode())
            if number == _UNKNOWN_CALL:
                continue
            self._check(
                self._library.seccomp_rule_add_array(
                    self._context, ctypes.c_uint32(action), number, len(arguments), array
                )
            )

    def _check(self, result: int) -> None:
        if result < 0:
            raise OSError(-result, f"libseccomp: {os.strerror(-result)}")


def _find_action(name: str, errno_value: int | None) -> int:
    action = _ACTIONS[name]
    return action | (1 if errno_value is None else errno_value) if name == "SCMP_ACT_ERRNO" else action
