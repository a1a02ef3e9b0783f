"""What the compiled filter answers, call by call: its program is run here as the kernel does (seccomp(2))."""

import base64
import ctypes
import platform
import struct
from collections.abc import Callable

import pytest

from controller.kernel.seccomp import FilterCompiler, select_architectures
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.seccomp import ENOSYS, EPERM, render_seccomp
from controller.plan.oci.syscalls import ALLOWED, DENIED

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
CLONE_NEWUSER, SIGCHLD = 0x10000000, 17
AF_INET, AF_VSOCK = 2, 40
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda value, operand: value == operand,
    0x25: lambda value, operand: value > operand,
    0x35: lambda value, operand: value >= operand,
    0x45: lambda value, operand: bool(value & operand),
}


@pytest.fixture(scope="module")
def program() -> list[tuple[int, int, int, int]]:
    """The instructions (code, jump if true, jump if false, operand) of the default filter."""
    compiled = FilterCompiler().compile(select_architectures(render_seccomp(DEFAULT_CAPABILITIES)))
    assert compiled is not None
    return list(struct.iter_unpack("HBBI", base64.b64decode(compiled)))


def _answer(program: list[tuple[int, int, int, int]], number: int, *arguments: int) -> int:
    """Return what the filter says to a call; BPF as in linux/filter.h."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number, _AUDIT_ARCHITECTURES[platform.machine()], 0, *padded)
    accumulator = position = 0
    while True:
        code, if_true, if_false, operand = program[position]
        position += 1
        if code == _RETURN:
            return operand
        if code == _LOAD:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == _AND:
            accumulator &= operand
        elif code == _JUMP:
            position += operand
        else:
            position += if_true if _COMPARISONS[code](accumulator, operand) else if_false


def _find_number(name: str) -> int:
    """Return the number of a call, negative when this machine has none of this name."""
    return int(ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name(name.encode()))


def _list_calls(names: tuple[str, ...]) -> dict[str, int]:
    numbers = {name: _find_number(name) for name in names}
    return {name: number for name, number in numbers.items() if number >= 0}


def test_allowed_calls_are_allowed(program: list[tuple[int, int, int, int]]) -> None:
    calls = _list_calls(ALLOWED)
    assert len(calls) > 200
    assert [name for name, number in calls.items() if _answer(program, number) != ALLOW] == []


def test_denied_calls_are_not_permitted(program: list[tuple[int, int, int, int]]) -> None:
    calls = _list_calls(DENIED)
    assert {"mount", "unshare", "setns", "keyctl", "bpf", "reboot", "swapon"} <= set(calls)
    allowed = [name for name, number in calls.items() if _answer(program, number) != ERRNO | EPERM]
    assert allowed == ["chroot"]  # the default set has CAP_SYS_CHROOT


def test_any_other_call_is_missing(program: list[tuple[int, int, int, int]]) -> None:
    known = {*_list_calls(ALLOWED).values(), *_list_calls(DENIED).values()}
    known |= set(_list_calls(("clone", "socket", "personality")).values())
    others = [number for number in range(600) if number not in known]
    assert {_answer(program, number, 0xDEAD) for number in others} == {ERRNO | ENOSYS}


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("clone", (SIGCHLD,), ALLOW),
        ("clone", (CLONE_NEWUSER | SIGCHLD,), ERRNO | EPERM),
        ("clone3", (), ERRNO | ENOSYS),
        ("socket", (AF_INET,), ALLOW),
        ("socket", (AF_VSOCK,), ERRNO | EPERM),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0x0040000,), ERRNO | ENOSYS),
    ],
)
def test_conditions(
    program: list[tuple[int, int, int, int]], name: str, arguments: tuple[int, ...], answer: int
) -> None:
    assert _answer(program, _find_number(name), *arguments) == answer
