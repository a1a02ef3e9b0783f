"""Profiles become programs of the kernel, or are left to the runtime."""

import base64
from typing import Any

import pytest

from controller.kernel.processes.seccomp import FilterCompiler, select_architectures
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.seccomp import render_seccomp

INSTRUCTION_BYTES = 8
"""The size of struct sock_filter, linux/filter.h."""


def make_profile(*names: str, action: str = "SCMP_ACT_ALLOW") -> dict[str, Any]:
    """Return a profile that refuses all but some calls."""
    rule: dict[str, Any] = {"names": list(names), "action": action}
    return {"defaultAction": "SCMP_ACT_ERRNO", "architectures": [], "syscalls": [rule]}


def compile_profile(profile: dict[str, Any]) -> bytes:
    compiled = FilterCompiler().compile(profile)
    assert compiled is not None
    return base64.b64decode(compiled, validate=True)


def test_the_default_profile_is_compiled() -> None:
    program = compile_profile(select_architectures(render_seccomp(DEFAULT_CAPABILITIES)))
    assert len(program) > 100 * INSTRUCTION_BYTES
    assert len(program) % INSTRUCTION_BYTES == 0


def test_each_call_that_is_allowed_is_in_the_program() -> None:
    assert len(compile_profile(make_profile("read", "openat"))) > len(compile_profile(make_profile("read")))


def test_a_call_that_this_machine_lacks_is_left_out() -> None:
    assert compile_profile(make_profile("read", "no_such_call")) == compile_profile(make_profile("read"))


@pytest.mark.parametrize(
    "profile",
    [
        make_profile("read", action="SCMP_ACT_NOTIFY"),
        make_profile("read") | {"defaultAction": "SCMP_ACT_TRAP"},
        make_profile("read") | {"architectures": ["SCMP_ARCH_ABACUS"]},
        make_profile("read") | {"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{
            "index": 0, "op": "SCMP_CMP_NEARLY", "value": 1,
        }]}]},
    ],
    ids=["action", "default action", "architecture", "operator"],
)  # fmt: skip
def test_what_is_not_known_here_is_left_to_the_runtime(profile: dict[str, Any]) -> None:
    assert FilterCompiler().compile(profile) is None


def test_an_equal_profile_is_compiled_once() -> None:
    compiler = FilterCompiler()
    assert compiler.compile(make_profile("read")) is compiler.compile(make_profile("read"))
