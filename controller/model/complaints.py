"""What pydantic's findings are called for people: what is there, and what it has to be."""

from collections.abc import Mapping
from typing import Any

from controller.model.quantities import print_size

_MOST_SHOWN = 60

PATTERN_WORDS: Mapping[str, str] = {
    r"^/": "an absolute path: begin with /",
    r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$": "a hardware address: write six pairs of hex digits, as in 02:42:ac:11:00:02",
    r"^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62})$": "a host name: use 1 to 63 of a-z A-Z 0-9 _ . - and begin with a letter, digit or _",
    r"^[rwm]{1,3}$": "a list of rights: write some of r, w, m",
    r"^/[!-~]*$": "a path of a URL: begin with /, write letters beyond ASCII as %XX",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$": "a name of a header: use letters, digits and -",
    r"^[0-9a-f]{32}$": "a uid: write 32 hex digits",
    r"^\S+$": "one word: leave out the spaces",
}
"""What a text that matches the pattern is; a test holds it complete."""

_TYPE_WORDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "tuple_type": "a list: write [a, b]",
    "list_type": "a list: write [a, b]",
    "set_type": "a list: write [a, b]",
    "frozen_set_type": "a list: write [a, b]",
    "dict_type": "a mapping: write {name: value}",
    "model_type": "a mapping: write {name: value}",
    "model_attributes_type": "a mapping: write {name: value}",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "is less than {}, the least that it can be"),
    "greater_than": ("gt", "has to be more than {}"),
    "less_than_equal": ("le", "is more than {}, the most that it can be"),
    "less_than": ("lt", "has to be less than {}"),
    "string_too_long": ("max_length", "is longer than {} letters, the most that it can have"),
    "string_too_short": ("min_length", "is shorter than {} letters, the least that it can have"),
    "too_long": ("max_length", "has more than {} items, the most that it can have"),
    "too_short": ("min_length", "has less than {} items, the least that it can have"),
}


def describe_complaint(detail: Mapping[str, Any]) -> str:
    """Return the words for one of pydantic's findings (`ValidationError.errors()`), its own where there are no better."""
    kind, context, shown = detail["type"], detail.get("ctx", {}), _show(detail["input"])
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{shown} {words.format(_show_bound(context[name]))}"
    if kind in _TYPE_WORDS:
        return f"{shown} is not {_TYPE_WORDS[kind]}"
    if kind in ("literal_error", "enum"):
        return f"{shown} is not {context['expected']}"
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERN_WORDS:
        return f"{shown} is not {PATTERN_WORDS[context['pattern']]}"
    return str(detail["msg"]).removeprefix("Value error, ")


def _show_bound(bound: float) -> str:
    """Return a bound as people write it; whole multiples of 1024 are sizes."""
    return print_size(bound) if isinstance(bound, int) and bound and bound % 1024 == 0 else str(bound)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
