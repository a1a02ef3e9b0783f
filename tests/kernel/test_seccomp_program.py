"""What the compiled filter answers, call by call: its program is run here as the kernel does (seccomp(2))."""

import base64
import ctypes
import os
import platform
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.kernel.processes.seccomp import FilterCompiler, select_architectures
from controller.kernel.processes.seccomp_ranges import shorten_filter
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.seccomp import ENOSYS, EPERM, render_seccomp
from controller.plan.oci.syscalls import ALLOWED, DENIED

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
CLONE_NEWUSER, SIGCHLD = 0x10000000, 17
AF_INET, AF_VSOCK = 2, 40
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
Program = list[tuple[int, int, int, int]]
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda value, operand: value == operand,
    0x25: lambda value, operand: value > operand,
    0x35: lambda value, operand: value >= operand,
    0x45: lambda value, operand: bool(value & operand),
}


@pytest.fixture(scope="module")
def program() -> Program:
    """The instructions (code, jump if true, jump if false, operand) of the default filter."""
    compiled = FilterCompiler().compile(select_architectures(render_seccomp(DEFAULT_CAPABILITIES)))
    assert compiled is not None
    return _parse(base64.b64decode(compiled))


def _parse(text: bytes) -> Program:
    return list(struct.iter_unpack("HBBI", text))


def _answer(program: Program, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return what the filter says to a call; BPF as in linux/filter.h."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    own = _AUDIT_ARCHITECTURES[platform.machine()]
    data = struct.pack("=IIQ6Q", number, own if architecture is None else architecture, 0, *padded)
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


def test_allowed_calls_are_allowed(program: Program) -> None:
    calls = _list_calls(ALLOWED)
    assert len(calls) > 200
    assert [name for name, number in calls.items() if _answer(program, number) != ALLOW] == []


def test_denied_calls_are_not_permitted(program: Program) -> None:
    calls = _list_calls(DENIED)
    assert {"mount", "unshare", "setns", "keyctl", "bpf", "reboot", "swapon"} <= set(calls)
    allowed = [name for name, number in calls.items() if _answer(program, number) != ERRNO | EPERM]
    assert allowed == ["chroot"]  # the default set has CAP_SYS_CHROOT


def test_any_other_call_is_missing(program: Program) -> None:
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
def test_conditions(program: Program, name: str, arguments: tuple[int, ...], answer: int) -> None:
    assert _answer(program, _find_number(name), *arguments) == answer


def _write(program: Program) -> bytes:
    return b"".join(struct.pack("HBBI", *each) for each in program)


def _export(rules: list[tuple[int, str, tuple[int, int, int] | None]], *, as_tree: bool) -> bytes:
    """Return what libseccomp makes of rules: an action, a call, and an argument with its comparison and value."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(ERRNO | ENOSYS)))
    library.seccomp_attr_set(context, 8, 2 if as_tree else 1)
    library.seccomp_arch_add(context, ctypes.c_uint32(0x40000003))
    for action, name, condition in rules:
        number = library.seccomp_syscall_resolve_name(name.encode())
        index, operator, value = condition or (0, 0, 0)
        argument = struct.pack("=IiQQ", index, operator, value, value)
        array = ctypes.create_string_buffer(argument)
        library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, int(bool(condition)), array)
    fd = os.memfd_create("filter")
    library.seccomp_export_bpf(context, fd)
    library.seccomp_release(context)
    text = os.pread(fd, 1 << 20, 0)
    os.close(fd)
    return text


_NUMBERS = [*range(700), *range(X32 - 2, X32 + 700), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
_RULES = st.lists(
    st.tuples(
        st.sampled_from([ALLOW, ERRNO | EPERM]),
        st.sampled_from(ALLOWED),
        st.none() | st.tuples(st.integers(0, 5), st.integers(1, 6), st.sampled_from([0, 1, 2, 1 << 33, 77])),
    ),
    min_size=1,
    max_size=120,
)


@settings(max_examples=25, deadline=None)
@given(
    rules=_RULES,
    as_tree=st.booleans(),
    arguments=st.lists(st.sampled_from([0, 1, 2, 77, 1 << 33]), min_size=6, max_size=6),
)
def test_a_shorter_filter_answers_the_same(
    rules: list[tuple[int, str, tuple[int, int, int] | None]], as_tree: bool, arguments: list[int]
) -> None:
    text = _export(rules, as_tree=as_tree)
    long, short = _parse(text), _parse(shorten_filter(text))
    for architecture in (*_AUDIT_ARCHITECTURES.values(), 0x40000003, 0, 0x40000028):
        for number in _NUMBERS[:: 1 if architecture == _AUDIT_ARCHITECTURES[platform.machine()] else 7]:
            expected = _answer(long, number, *arguments, architecture=architecture)
            assert _answer(short, number, *arguments, architecture=architecture) == expected, number


def test_the_default_filter_is_short(program: Program) -> None:
    assert len(program) < 500


@pytest.mark.parametrize(
    "program",
    [
        [(0x20, 0, 0, 0), (0x87, 0, 0, 0), (_RETURN, 0, 0, ALLOW)],
        [(0x20, 0, 0, 0), (0x45, 0, 1, 8), (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, ERRNO)],
        [(0x20, 0, 0, 4), (0x35, 0, 1, 8), (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, ERRNO)],
    ],
)
def test_what_libseccomp_does_not_write_stays_as_it_is(program: Program) -> None:
    assert shorten_filter(_write(program)) == _write(program)
