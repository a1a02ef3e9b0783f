"""YAML texts to plain values, each with its place in the text.

YAML's traps are closed: only `true` and `false` are booleans, `22:22` is a text and not a number to the base of 60, a
key may not stand twice in a mapping, and anchors can't be used to write a small text that grows without bounds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.errors import Invalid

MOST_BYTES = 8 << 20
MOST_VALUES = 500_000
_MOST_DEPTH = 100
_MOST_DIGITS = 64
"""A longer word is a text even if it is made of digits: no field takes such a number."""

Place = tuple[str | int, ...]

_INTEGER = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_OCTAL = re.compile(r"^0o?([0-7]+)$")
_HEXADECIMAL = re.compile(r"^0x([0-9a-fA-F]+)$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$")
_TAB = "a tab is used to indent: YAML wants spaces"
_PYTHON_TAGS = "tag:yaml.org,2002:python/"
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: its value, and where each part of it begins, as (line, column) counted from 1."""

    value: Any
    line: int
    positions: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def find_position(self, place: Place) -> tuple[int, int]:
        """Return where the value at `place` begins, or the nearest one around it that is there."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.positions:
                return self.positions[place[:length]]
        return (self.line, 1)


def parse_documents(text: str, *, source: str) -> Iterator[Document]:
    """Yield the documents of a text that are not empty. Invalid tells file, line, column and what is wrong."""
    if len(text) > MOST_BYTES:
        raise Invalid(f"{source}: is larger than {MOST_BYTES >> 20} MiB: split it into several files")
    reader = _Reader(source)
    try:
        text.encode()
        for node in yaml.compose_all(text, Loader=yaml.CSafeLoader):
            if node is not None:
                document = reader.read(node)
                if document.value is not None:
                    yield document
    except UnicodeEncodeError as error:
        raise Invalid(f"{source}: has a character that is half of a pair, which no file can hold") from error
    except yaml.MarkedYAMLError as error:
        raise Invalid(f"{_place(source, error)}: {_explain(error, text)}") from error
    except yaml.YAMLError as error:
        raise Invalid(f"{source}: is not YAML: {error}") from error


def _place(source: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source


def _explain(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or str(error)
    if error.problem_mark is not None and text[error.problem_mark.index :][:1] == "\t":
        return _TAB
    context = f" {error.context}" if error.context else ""
    if "tab character" in problem:
        return _TAB
    if "found unexpected end of stream" in problem or "<stream end>" in problem:
        return f"the text ends in the middle: {problem}{context}"
    return f"{problem}{context}"


class _Reader:
    """Turns the nodes of one text into values; counts them, aliases as often as they are used."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0

    def read(self, node: yaml.Node) -> Document:
        positions: dict[Place, tuple[int, int]] = {}
        value = self._convert(node, (), positions)
        return Document(value=value, line=node.start_mark.line + 1, positions=positions)

    def _refuse(self, node: yaml.Node, message: str) -> Invalid:
        mark = node.start_mark
        return Invalid(f"{self._source}:{mark.line + 1}:{mark.column + 1}: {message}")

    def _convert(self, node: yaml.Node, place: Place, positions: dict[Place, tuple[int, int]]) -> Any:  # noqa: ANN401
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._refuse(node, f"anchors make more than {MOST_VALUES:,} values of this text")
        if len(place) > _MOST_DEPTH:
            raise self._refuse(node, f"values are nested more than {_MOST_DEPTH} deep")
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith(_PYTHON_TAGS):
            raise self._refuse(node, f"the tag {node.tag} is unknown")
        positions.setdefault(place, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._convert_mapping(node, place, positions)
        if isinstance(node, yaml.SequenceNode):
            return [self._convert(item, (*place, index), positions) for index, item in enumerate(node.value)]
        return self._convert_scalar(node)

    def _convert_mapping(
        self, node: yaml.MappingNode, place: Place, positions: dict[Place, tuple[int, int]]
    ) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._read_key(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged |= self._convert_merge(value_node, place, positions)
                continue
            if key in own:
                raise self._refuse(key_node, f"{key!r} stands twice in this mapping")
            positions[(*place, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            own[key] = self._convert(value_node, (*place, key), positions)
        return merged | own

    def _convert_merge(
        self, node: yaml.Node, place: Place, positions: dict[Place, tuple[int, int]]
    ) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in nodes:
            if not isinstance(each, yaml.MappingNode):
                raise self._refuse(each, "<< merges mappings only")
            merged = self._convert(each, place, positions) | merged
        return merged

    def _read_key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refuse(node, "a key has to be a single word")
        return str(node.value)

    def _convert_scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401
        text = str(node.value)
        quoted = isinstance(node, yaml.ScalarNode) and bool(node.style)
        return text if quoted else resolve_plain(text)


def resolve_plain(text: str) -> Any:  # noqa: ANN401
    """Return the value of an unquoted word: nothing, a boolean, a number or a text."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MOST_DIGITS:
        return text
    if _INTEGER.match(text):
        return int(text)
    if octal := _OCTAL.match(text):
        return int(octal[1], 8)
    if hexadecimal := _HEXADECIMAL.match(text):
        return int(hexadecimal[1], 16)
    return float(text) if _FLOAT.match(text) else text
