"""Shortens compiled seccomp filters: `shorten_filter(program)`.

libseccomp compares with the number of every system call, though what is decided for neighbours is mostly the same. The
kernel converts and compiles the program, and runs it for each system call number, whenever it is installed, so that its
length is paid for with each process. Here the program is asked what it decides for each architecture and number; what comes out
is a search among ranges of numbers. Where arguments decide, the instructions of the original are kept.
"""

import struct
from dataclasses import dataclass

LOAD, AND, RETURN, JUMP = 0x20, 0x54, 0x06, 0x05
EQUAL, GREATER, AT_LEAST, ANY_BIT = 0x15, 0x25, 0x35, 0x45
"""Operation codes of classic BPF that libseccomp uses (linux/bpf_common.h)."""

NUMBER_OFFSET, ARCHITECTURE_OFFSET = 0, 4
"""Places in struct seccomp_data (seccomp(2))."""

_COMPARISONS = (EQUAL, GREATER, AT_LEAST, ANY_BIT)
_INSTRUCTION = struct.Struct("=HBBI")
_NUMBERS = 1 << 32
_FARTHEST = 255


@dataclass(frozen=True, slots=True)
class Instruction:
    """struct sock_filter: the jumps of comparisons count instructions from the next one."""

    code: int
    if_true: int
    if_false: int
    operand: int


def parse_program(program: bytes) -> list[Instruction]:
    """Return the instructions of a program as the kernel takes it."""
    return [Instruction(*fields) for fields in _INSTRUCTION.iter_unpack(program)]


def shorten_filter(program: bytes) -> bytes:
    """Return a program that decides the same for every call; the same one where it has what is not known here."""
    try:
        ranges = _Original(parse_program(program)).find_ranges()
    except _Unknown:
        return program
    return ranges.render()


class _Unknown(Exception):
    """The program has an instruction, or an order of them, that libseccomp doesn't write."""


def _compare(code: int, value: int, operand: int) -> bool:
    match code:
        case 0x15:
            return value == operand
        case 0x25:
            return value > operand
        case 0x35:
            return value >= operand
        case _:
            return bool(value & operand)


@dataclass(frozen=True, slots=True)
class _Ranges:
    """What is decided: for each architecture, and in the end for all others, the first number of each range with the place in
    the original where it goes on: a return, or the first look at an argument.
    """

    instructions: list[Instruction]
    of_architectures: dict[int, list[tuple[int, int]]]
    of_others: list[tuple[int, int]]

    def render(self) -> bytes:
        """Return the program."""
        writer = _Writer(self.instructions)
        at = writer.search(self.of_others)
        for architecture, ranges in self.of_architectures.items():
            here = writer.search(ranges)
            at = writer.branch(EQUAL, architecture, here, at)
        writer.follow(at, Instruction(LOAD, 0, 0, ARCHITECTURE_OFFSET))
        return writer.finish()


class _Original:
    """A program that is asked what it decides."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self._instructions = instructions
        self._bounds = {0}
        self._architectures: set[int] = set()
        self._collect()

    def find_ranges(self) -> _Ranges:
        """Ask about one number of each range: comparisons can't tell the others from it."""
        bounds = sorted(self._bounds)
        unknown = next(number for number in range(_NUMBERS) if number not in self._architectures)
        return _Ranges(
            self._instructions,
            {each: self._ask(each, bounds) for each in sorted(self._architectures)},
            self._ask(unknown, bounds),
        )

    def _collect(self) -> None:
        """Find the bounds of what comparisons can tell apart: jumps lead forward, so that one pass meets all."""
        loaded: list[set[int]] = [set() for _ in self._instructions]
        for at, each in enumerate(self._instructions):
            if each.code == LOAD:
                loaded[at] = {each.operand}
            elif each.code in _COMPARISONS:
                self._note(each, loaded[at])
            elif each.code not in (AND, RETURN, JUMP):
                raise _Unknown
            for following in self._list_following(at):
                loaded[following] |= loaded[at]

    def _list_following(self, at: int) -> list[int]:
        each = self._instructions[at]
        if each.code in _COMPARISONS:
            return [at + 1 + each.if_true, at + 1 + each.if_false]
        if each.code == RETURN:
            return []
        return [at + 1 + (each.operand if each.code == JUMP else 0)]

    def _note(self, each: Instruction, loaded: set[int]) -> None:
        fixed = loaded & {NUMBER_OFFSET, ARCHITECTURE_OFFSET}
        if not fixed:
            return
        if (
            len(loaded) > 1
            or each.code == ANY_BIT
            or (loaded == {ARCHITECTURE_OFFSET} and each.code != EQUAL)
        ):
            raise _Unknown
        if loaded == {ARCHITECTURE_OFFSET}:
            self._architectures.add(each.operand)
        else:
            self._bounds |= {each.operand, min(each.operand + 1, _NUMBERS - 1)}

    def _ask(self, architecture: int, bounds: list[int]) -> list[tuple[int, int]]:
        ranges: list[tuple[int, int]] = []
        for first in bounds:
            place = self._decide(architecture, first)
            if not ranges or not self._is_same(ranges[-1][1], place):
                ranges.append((first, place))
        return ranges

    def _is_same(self, one: int, other: int) -> bool:
        first, second = self._instructions[one], self._instructions[other]
        return one == other or (first.code == RETURN and first == second)

    def _decide(self, architecture: int, number: int) -> int:
        """Return where the program is when it has an answer, or needs an argument for one."""
        known = {ARCHITECTURE_OFFSET: architecture, NUMBER_OFFSET: number}
        at = value = 0
        while (each := self._instructions[at]).code != RETURN:
            if each.code == LOAD:
                if each.operand not in known:
                    return at
                value = known[each.operand]
            if each.code == AND:
                raise _Unknown
            places = self._list_following(at)
            at = places[0] if len(places) == 1 or _compare(each.code, value, each.operand) else places[1]
        return at


class _Writer:
    """Writes a program from its end; places are counted from there, so that what is written never moves."""

    def __init__(self, original: list[Instruction]) -> None:
        self._original = original
        self._written: list[Instruction] = []
        self._copies: dict[int, int] = {}

    def finish(self) -> bytes:
        """Return the program."""
        return b"".join(
            _INSTRUCTION.pack(each.code, each.if_true, each.if_false, each.operand)
            for each in reversed(self._written)
        )

    def follow(self, following: int, instruction: Instruction) -> int:
        """Write an instruction that goes on at a place; returns its own."""
        if following != len(self._written) - 1:
            self._write(Instruction(JUMP, 0, 0, len(self._written) - 1 - following))
        return self._write(instruction)

    def branch(self, code: int, operand: int, if_true: int, if_false: int) -> int:
        """Write a comparison that goes on at one of two places."""
        for _ in range(2):  # each can push the other out of reach
            if_true, if_false = self._bring_near(if_true), self._bring_near(if_false)
        last = len(self._written) - 1
        return self._write(Instruction(code, last - if_true, last - if_false, operand))

    def search(self, ranges: list[tuple[int, int]]) -> int:
        """Write a search among ranges of numbers."""
        return self.follow(self._split(ranges), Instruction(LOAD, 0, 0, NUMBER_OFFSET))

    def _split(self, ranges: list[tuple[int, int]]) -> int:
        if len(ranges) == 1:
            return self._copy(ranges[0][1])
        middle = len(ranges) // 2
        upper = self._split(ranges[middle:])
        lower = self._split(ranges[:middle])
        return self.branch(AT_LEAST, ranges[middle][0], upper, lower)

    def _copy(self, at: int) -> int:
        """Write what the original does from a place on, at most once where that is still near."""
        each = self._original[at]
        known = self._copies.get(at)
        if each.code == RETURN:
            return self._return(each)
        if known is not None:
            return known
        if each.code == JUMP:
            place = self._copy(at + 1 + each.operand)
        elif each.code in _COMPARISONS:
            if_true, if_false = self._copy(at + 1 + each.if_true), self._copy(at + 1 + each.if_false)
            place = self.branch(each.code, each.operand, if_true, if_false)
        else:
            place = self.follow(self._copy(at + 1), each)
        self._copies[at] = place
        return place

    def _return(self, wanted: Instruction) -> int:
        for place in range(len(self._written) - 1, max(-1, len(self._written) - _FARTHEST // 2), -1):
            if self._written[place] == wanted:
                return place
        return self._write(wanted)

    def _bring_near(self, place: int) -> int:
        distance = len(self._written) - 1 - place
        if distance <= _FARTHEST:
            return place
        target = self._written[place]
        return self._write(target if target.code == RETURN else Instruction(JUMP, 0, 0, distance))

    def _write(self, instruction: Instruction) -> int:
        self._written.append(instruction)
        return len(self._written) - 1
