"""Segments of a template to its nodes."""

import json
from collections.abc import Sequence

from controller.cli.parser import suggest
from controller.cli.templates.errors import TemplateError
from controller.cli.templates.functions import FUNCTIONS
from controller.cli.templates.lexer import Segment, Word, split
from controller.cli.templates.nodes import (
    Branch,
    Emit,
    Literal,
    Name,
    Node,
    Operand,
    Path,
    Pipeline,
    Range,
    Text,
)

_DEEPEST = 50
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "nil": None}
_BLOCKS = ("if", "range", "with")
_UNSUPPORTED = ("define", "template", "block", "break", "continue")


def parse(template: str) -> tuple[Node, ...]:
    """Return the nodes of a template; TemplateError when it can't be read."""
    return _Blocks(split(template)).read_all()


class _Blocks:
    """Reads segments one after another."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._place = 0

    def read_all(self) -> tuple[Node, ...]:
        nodes, stop = self._read_body(0)
        if stop is not None:
            raise TemplateError(f"{stop[0].text} belongs to no if, range or with", stop[0].position)
        return nodes

    def _read_body(self, depth: int) -> tuple[tuple[Node, ...], tuple[Word, ...] | None]:
        """Return the nodes up to `end` or `else`, and the words of that, None at the end of the template."""
        nodes: list[Node] = []
        while self._place < len(self._segments):
            segment = self._segments[self._place]
            self._place += 1
            if segment.words is None:
                nodes.append(Text(text=segment.text))
                continue
            if not segment.words:
                raise TemplateError("there is nothing between these braces", segment.position)
            first = segment.words[0]
            if first.text in ("end", "else"):
                return tuple(nodes), segment.words
            if first.text in _UNSUPPORTED:
                raise TemplateError(f"{first.text} is not supported", first.position)
            if first.text in _BLOCKS:
                nodes.append(self._read_block(segment.words, depth))
            else:
                nodes.append(Emit(pipeline=_Words(segment.words).read_whole()))
        return tuple(nodes), None

    def _read_block(self, words: tuple[Word, ...], depth: int) -> Node:
        keyword = words[0]
        if depth >= _DEEPEST:
            raise TemplateError(f"blocks are nested more than {_DEEPEST} deep", keyword.position)
        pipeline = _Words(words[1:], keyword).read_whole(most_variables=2 if keyword.text == "range" else 1)
        body, stop = self._read_body(depth + 1)
        rest: tuple[Node, ...] = ()
        if stop is not None and stop[0].text == "else":
            rest = self._read_else(stop, depth)
        elif stop is None:
            raise TemplateError(f"this {keyword.text} has no end", keyword.position)
        else:
            _check_alone(stop)
        if keyword.text == "range":
            return Range(pipeline=pipeline, body=body, rest=rest)
        return Branch(pipeline=pipeline, body=body, rest=rest, sets_dot=keyword.text == "with")

    def _read_else(self, words: tuple[Word, ...], depth: int) -> tuple[Node, ...]:
        """Return what follows an `else`; `else if` is an `if` of its own that shares the end."""
        if len(words) > 1 and words[1].text in ("if", "with"):
            return (self._read_block(words[1:], depth + 1),)
        _check_alone(words)
        body, stop = self._read_body(depth + 1)
        if stop is None or stop[0].text != "end":
            raise TemplateError("this else has no end", words[0].position)
        _check_alone(stop)
        return body


def _check_alone(words: tuple[Word, ...]) -> None:
    if len(words) > 1:
        raise TemplateError(f"nothing may stand behind {words[0].text}", words[1].position)


class _Words:
    """Reads the words of one action."""

    def __init__(self, words: tuple[Word, ...], keyword: Word | None = None) -> None:
        self._words = words
        self._keyword = keyword
        self._place = 0
        self._depth = 0

    def read_whole(self, most_variables: int = 1) -> Pipeline:
        """Return the pipeline that all words are."""
        pipeline = self._read_pipeline(most_variables)
        word = self._peek()
        if word is not None:
            raise TemplateError(f"{word.text} has no place here", word.position)
        return pipeline

    def _peek(self, ahead: int = 0) -> Word | None:
        place = self._place + ahead
        return self._words[place] if place < len(self._words) else None

    def _end(self) -> int:
        last = self._words[-1] if self._words else self._keyword
        return last.end if last is not None else 0

    def _read_pipeline(self, most_variables: int = 0) -> Pipeline:
        start = self._peek()
        variables, declares = self._read_variables(most_variables)
        commands = [self._read_command()]
        while (word := self._peek()) is not None and word.kind == "pipe":
            self._place += 1
            commands.append(self._read_command())
        return Pipeline(
            commands=tuple(commands),
            variables=variables,
            declares=declares,
            position=start.position if start is not None else self._end(),
        )

    def _read_variables(self, most: int) -> tuple[tuple[str, ...], bool]:
        """Return `$x` of `$x := ` or `$x = `, or both of `$i, $x := `; none when the pipeline sets none."""
        for count in range(most, 0, -1):
            head = self._words[self._place : self._place + 2 * count]
            kinds = [word.kind for word in head]
            if kinds[:-1] == ["variable", "comma"] * (count - 1) + ["variable"] and kinds[-1] in (
                "declare",
                "assign",
            ):
                self._place += 2 * count
                return tuple(word.text for word in head[::2]), kinds[-1] == "declare"
        return (), False

    def _read_command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while (word := self._peek()) is not None and word.kind not in ("pipe", "close"):
            operands.append(self._read_operand(word))
        if not operands:
            found = self._peek()
            raise TemplateError("a value is missing here", found.position if found else self._end())
        if len(operands) > 1 and isinstance(operands[0], Literal):
            raise TemplateError("only a function takes arguments", operands[1].position)
        return tuple(operands)

    def _read_operand(self, word: Word) -> Operand:
        self._place += 1
        match word.kind:
            case "string" | "number":
                return Literal(value=_read_value(word), position=word.position)
            case "name":
                return _read_name(word)
            case "dot":
                return Path(base=None, fields=(), position=word.position)
            case "field":
                fields = (word.text[1:], *self._read_fields(word.end))
                return Path(base=None, fields=fields, position=word.position)
            case "variable":
                return Path(base=word.text, fields=self._read_fields(word.end), position=word.position)
            case "open":
                return self._read_parentheses(word)
            case _:
                pass
        raise TemplateError(f"{word.text} has no place here", word.position)

    def _read_fields(self, end: int) -> tuple[str, ...]:
        """Return the fields that follow without a space."""
        fields: list[str] = []
        while (word := self._peek()) is not None and word.kind == "field" and word.position == end:
            self._place += 1
            fields.append(word.text[1:])
            end = word.end
        return tuple(fields)

    def _read_parentheses(self, word: Word) -> Path:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError(f"parentheses are nested more than {_DEEPEST} deep", word.position)
        inner = self._read_pipeline()
        closing = self._peek()
        if closing is None:
            raise TemplateError("this parenthesis is not closed", word.position)
        self._place += 1
        self._depth -= 1
        return Path(base=inner, fields=self._read_fields(closing.end), position=word.position)


def _read_name(word: Word) -> Literal | Name:
    if word.text in _CONSTANTS:
        return Literal(value=_CONSTANTS[word.text], position=word.position)
    if word.text not in FUNCTIONS:
        advice = suggest(word.text, [*FUNCTIONS, *_BLOCKS, "end", "else"])
        told = f"fields begin with a dot, functions that are known are {', '.join(FUNCTIONS)}"
        raise TemplateError(f"{word.text} is not a function{advice}: {told}", word.position)
    return Name(name=word.text, position=word.position)


def _read_value(word: Word) -> object:
    if word.kind == "number":
        return float(word.text) if "." in word.text else int(word.text)
    if word.text.startswith("`"):
        return word.text[1:-1]
    try:
        return str(json.loads(word.text, strict=False))
    except ValueError as error:
        raise TemplateError(f"{word.text} has an escape that is none", word.position) from error
