"""The functions of templates: Go's and Docker's."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NO_VALUE = "<no value>"
_VERB = re.compile(r"%([-+0 #]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")
_MOST_COLUMNS = 10_000


class Misuse(Exception):
    """A function can't do anything with its arguments."""


def is_true(value: Any) -> bool:  # noqa: ANN401
    """Tell whether a value counts as true: not zero, empty, false or missing."""
    return bool(value)


def to_text(value: Any) -> str:  # noqa: ANN401
    """Return a value as Go prints it: `[a b]` for lists, `map[k:v]` for objects."""
    match value:
        case None:
            return NO_VALUE
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{key}:{to_text(each)}' for key, each in sorted(value.items()))}]"
        case list() | tuple():
            return f"[{' '.join(map(to_text, value))}]"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _join(items: Any, separator: Any = "") -> str:  # noqa: ANN401
    if items is None:
        return ""
    if not isinstance(items, list):
        raise Misuse(f"joins lists, not {name_type(items)}")
    return to_text(separator).join(map(to_text, items))


def _split(text: Any, separator: Any) -> list[str]:  # noqa: ANN401
    if not isinstance(text, str) or not isinstance(separator, str):
        raise Misuse("splits a text at a text")
    return text.split(separator) if separator else list(text)


def _index(value: Any, *keys: Any) -> Any:  # noqa: ANN401
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
            if not 0 <= key < len(value):
                raise Misuse(f"{key} is beyond the list's {len(value)} items")
            value = value[key]
        elif value is not None:
            raise Misuse(f"looks into lists by number, into objects by name: not into {name_type(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, list | str):
        raise Misuse(f"takes parts of lists and texts, not of {name_type(value)}")
    places = [*bounds, *(0, len(value))[len(bounds) :]][:2]
    if len(bounds) > 2 or not all(isinstance(each, int) and 0 <= each <= len(value) for each in places):
        raise Misuse(f"wants places from 0 to {len(value)}")
    return value[places[0] : places[1]]


def _len(value: Any) -> int:  # noqa: ANN401
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | dict):
        return len(value)
    raise Misuse(f"counts lists, objects and texts, not {name_type(value)}")


def _eq(first: Any, *others: Any) -> bool:  # noqa: ANN401
    return any(type(first) is type(other) and first == other for other in others)


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, second: Any) -> bool:  # noqa: ANN401
        numbers = all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in (first, second)
        )
        if not numbers and not (isinstance(first, str) and isinstance(second, str)):
            raise Misuse(f"can't order {name_type(first)}, {name_type(second)}")
        return test(first, second)

    return compare


def _print(*values: Any) -> str:  # noqa: ANN401
    """Put a space between two values of which neither is a text."""
    parts: list[str] = []
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            parts.append(" ")
        parts.append(to_text(value))
    return "".join(parts)


def _println(*values: Any) -> str:  # noqa: ANN401
    return " ".join(map(to_text, values)) + "\n"


def _printf(form: Any, *values: Any) -> str:  # noqa: ANN401
    waiting = list(values)

    def fill(match: "re.Match[str]") -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not waiting:
            raise Misuse(f"has no value for {match[0]}")
        return _pad_to(_convert(verb, precision, waiting.pop(0)), flags, int(width or 0))

    return _VERB.sub(fill, to_text(form))


def _convert(verb: str, precision: str | None, value: Any) -> str:  # noqa: ANN401
    match verb:
        case "s" | "v":
            text = to_text(value)
            return text if precision is None else text[: int(precision)]
        case "q":
            return json.dumps(to_text(value), ensure_ascii=False)
        case "t" if isinstance(value, bool):
            return to_text(value)
        case "d" | "x" | "X" | "o" | "b" if isinstance(value, int) and not isinstance(value, bool):
            return str(format(value, verb))
        case "f" | "e" | "g" if isinstance(value, int | float) and not isinstance(value, bool):
            return str(format(float(value), f".{min(int(precision or 6), 100)}{verb}"))
        case _:
            raise Misuse(f"can't print {name_type(value)} by %{verb}")


def _pad_to(text: str, flags: str, width: int) -> str:
    if width > _MOST_COLUMNS:
        raise Misuse(f"prints at most {_MOST_COLUMNS} columns")
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if "0" in flags else text.rjust(width)


def _pad(text: Any, before: Any, after: Any) -> str:  # noqa: ANN401
    counts = (before, after)
    if not all(isinstance(each, int) and 0 <= each <= _MOST_COLUMNS for each in counts):
        raise Misuse("wants the numbers of spaces before and after")
    return f"{' ' * before}{to_text(text)}{' ' * after}"


def _truncate(text: Any, length: Any) -> str:  # noqa: ANN401
    if not isinstance(length, int) or length < 0:
        raise Misuse("wants the number of characters to keep")
    return to_text(text)[:length]


def name_type(value: Any) -> str:  # noqa: ANN401
    """Return what a value is, in words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case _:
            return "a list"


@dataclass(frozen=True, slots=True)
class Function:
    """What a name stands for, and how many arguments it takes; `most` None is any number."""

    body: Callable[..., Any]
    least: int = 1
    most: int | None = 1


FUNCTIONS: dict[str, Function] = {
    "json": Function(_json),
    "join": Function(_join, 1, 2),
    "split": Function(_split, 2, 2),
    "index": Function(_index, 1, None),
    "slice": Function(_slice, 1, 3),
    "len": Function(_len),
    "lower": Function(lambda text: to_text(text).lower()),
    "upper": Function(lambda text: to_text(text).upper()),
    "title": Function(lambda text: to_text(text).title()),
    "print": Function(_print, 0, None),
    "println": Function(_println, 0, None),
    "printf": Function(_printf, 1, None),
    "pad": Function(_pad, 3, 3),
    "truncate": Function(_truncate, 2, 2),
    "eq": Function(_eq, 2, None),
    "ne": Function(lambda first, second: not _eq(first, second), 2, 2),
    "lt": Function(_order(lambda first, second: first < second), 2, 2),
    "le": Function(_order(lambda first, second: first <= second), 2, 2),
    "gt": Function(_order(lambda first, second: first > second), 2, 2),
    "ge": Function(_order(lambda first, second: first >= second), 2, 2),
    "not": Function(lambda value: not is_true(value)),
    "and": Function(
        lambda *values: next((each for each in values if not is_true(each)), values[-1]), 1, None
    ),
    "or": Function(lambda *values: next((each for each in values if is_true(each)), values[-1]), 1, None),
}
"""Each function by its name."""
