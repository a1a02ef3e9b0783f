"""The parts of a parsed template. Each has the place in the text that errors about it point at."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A text, number, true, false or nil."""

    value: object
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Fields below the dot (`base` None), a variable (its name with the dollar) or a pipeline in parentheses."""

    base: "str | Pipeline | None"
    fields: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A function's name."""

    name: str
    position: int


Operand: TypeAlias = Literal | Path | Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Commands, each of which gets the value of the one before as its last argument.

    `variables` are set to the value: one, or for `range` also two. With `declares` they are new.
    """

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    declares: bool = False
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is printed as it is."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """A pipeline whose value is printed, unless it only sets a variable."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """`if` or `with`: the body when the pipeline's value is true, otherwise the rest. `with` sets the dot."""

    pipeline: Pipeline
    body: "tuple[Node, ...]"
    rest: "tuple[Node, ...]"
    sets_dot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The body for each item, the rest when there is none."""

    pipeline: Pipeline
    body: "tuple[Node, ...]"
    rest: "tuple[Node, ...]"


Node: TypeAlias = Text | Emit | Branch | Range
