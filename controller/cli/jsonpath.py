"""kubectl's JSONPath: `{.metadata.name}`, `{.items[*].status.phase}`, `[?(@.type=="Ready")]`, `{range}`, quoted text.

https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cli.client import Failure

_PART = re.compile(
    r"""\.\.(?P<deep>[A-Za-z_][\w-]*)|\.(?P<name>(?:[\w/-]|\\.)+|\*)|\[(?P<index>-?\d+)\]|\[(?P<all>\*)\]"""
    r"""|\[(?P<slice>-?\d*:-?\d*)\]|\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]|\[\?\((?P<filter>.*?)\)\]"""
)
_FILTER = re.compile(r"^@(?P<path>[^=!<>]*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>.+))?$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of a template: text, a path, or a range over a path with pieces inside."""

    text: str = ""
    path: str | None = None
    inner: "tuple[_Block, ...] | None" = None


def render_template(template: str, value: Any) -> str:  # noqa: ANN401
    """Return the template filled in with the value; a text without braces is a path. Failure when it can't be read."""
    whole = template if "{" in template else f"{{{template}}}"
    blocks, _ = _read_blocks(_split(whole), 0, nested=False)
    return "".join(_render(blocks, value))


def find_all(path: str, value: Any) -> list[Any]:  # noqa: ANN401
    """Return what a path such as `.spec.ports[*].hostPort` finds; braces around it are allowed."""
    inner = path.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    return list(_walk(_read_path(inner), value))


def render_value(value: Any) -> str:  # noqa: ANN401
    """Return a value as text: JSON for objects and lists, nothing for nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _split(template: str) -> list[tuple[bool, str]]:
    """Return (is in braces, text) pieces; braces in quotes do not count."""
    pieces: list[tuple[bool, str]] = []
    rest = template
    while rest:
        before, brace, rest = rest.partition("{")
        if before:
            pieces.append((False, _unescape(before)))
        if not brace:
            break
        end = _find_end(rest)
        if end < 0:
            raise Failure(f"jsonpath {template!r} has a brace that is not closed")
        pieces.append((True, rest[:end].strip()))
        rest = rest[end + 1 :]
    return pieces


def _find_end(text: str) -> int:
    quote = ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "}":
            return index
    return -1


def _read_blocks(
    pieces: Sequence[tuple[bool, str]], start: int, *, nested: bool
) -> tuple[tuple[_Block, ...], int]:
    blocks: list[_Block] = []
    index = start
    while index < len(pieces):
        braced, text = pieces[index]
        index += 1
        if not braced:
            blocks.append(_Block(text=text))
        elif text == "end":
            if not nested:
                raise Failure("jsonpath: {end} without {range}")
            return tuple(blocks), index
        elif text.startswith("range "):
            inner, index = _read_blocks(pieces, index, nested=True)
            blocks.append(_Block(path=text.removeprefix("range ").strip(), inner=inner))
        elif text[:1] in ("'", '"'):
            blocks.append(_Block(text=_unescape(text[1:-1])))
        else:
            blocks.append(_Block(path=text))
    if nested:
        raise Failure("jsonpath: {range} without {end}")
    return tuple(blocks), index


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)


def _render(blocks: Sequence[_Block], value: Any) -> Iterator[str]:  # noqa: ANN401
    for block in blocks:
        if block.path is None:
            yield block.text
            continue
        found = list(_walk(_read_path(block.path), value))
        if block.inner is None:
            yield " ".join(map(render_value, found))
        else:
            for each in found:
                yield from _render(block.inner, each)


def _read_path(path: str) -> list[re.Match[str]]:
    text = path.removeprefix("$").removeprefix("@")
    if text == ".":
        return []
    if text and text[0] not in ".[":
        text = f".{text}"
    parts: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise Failure(f"jsonpath: {text[position:]!r} in {path!r} can't be read")
        parts.append(match)
        position = match.end()
    return parts


def _walk(parts: Sequence[re.Match[str]], value: Any) -> Iterator[Any]:  # noqa: ANN401
    if not parts:
        yield value
        return
    for each in _step(parts[0], value):
        yield from _walk(parts[1:], each)


def _step(part: re.Match[str], value: Any) -> Iterator[Any]:  # noqa: ANN401
    if part["deep"] is not None:
        yield from _search(part["deep"], value)
    elif part["name"] == "*" or part["all"] is not None:
        yield from _list_values(value)
    elif part["name"] is not None or part["quoted"] is not None:
        name = part["quoted"] if part["name"] is None else re.sub(r"\\(.)", r"\1", part["name"])
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif isinstance(value, list):
        yield from _pick(part, value)


def _pick(part: re.Match[str], items: list[Any]) -> Iterator[Any]:
    if part["index"] is not None:
        index = int(part["index"])
        if -len(items) <= index < len(items):
            yield items[index]
    elif part["slice"] is not None:
        first, _, last = part["slice"].partition(":")
        yield from items[int(first) if first else None : int(last) if last else None]
    else:
        yield from (each for each in items if _is_kept(part["filter"], each))


def _list_values(value: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _search(name: str, value: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, dict) and name in value:
        yield value[name]
    for each in _list_values(value):
        yield from _search(name, each)


def _is_kept(condition: str, value: Any) -> bool:  # noqa: ANN401
    match = _FILTER.match(condition.strip())
    if match is None:
        raise Failure(f"jsonpath: the filter {condition!r} can't be read: write ?(@.name=='value')")
    found = next(_walk(_read_path(match["path"].strip() or "."), value), None)
    if match["operator"] is None:
        return found is not None
    return found is not None and _compare(found, match["operator"], _read_literal(match["value"].strip()))


def _read_literal(text: str) -> Any:  # noqa: ANN401
    if text[:1] in ("'", '"'):
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _compare(found: Any, operator: str, wanted: Any) -> bool:  # noqa: ANN401
    if operator in ("==", "!="):
        return bool(found == wanted) is (operator == "==")
    if not isinstance(found, int | float) or not isinstance(wanted, int | float):
        return False
    order = {"<": found < wanted, ">": found > wanted, "<=": found <= wanted, ">=": found >= wanted}
    return order[operator]
