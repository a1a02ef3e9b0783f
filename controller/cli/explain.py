"""explain: fields of a kind, from the models that validate them."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from controller.cli.client import Client, Failure, parse_kind
from controller.cli.parser import suggest

if TYPE_CHECKING:
    from controller.model.explain import FieldDoc

Fields = dict[str, "FieldDoc"]
"""Fields of a kind by their path without marks of lists and maps."""


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold explain`."""
    parser.add_argument("path", metavar="TYPE[.FIELD...]", help="Such as container or container.spec.ports.")
    parser.add_argument("--recursive", action="store_true", help="Also the fields of fields.")


def run_explain(_: Client, options: argparse.Namespace) -> int:
    """Print what a field is, and the fields below it."""
    from controller.model.explain import describe_fields
    from controller.model.ids import KINDS

    word, _, rest = options.path.partition(".")
    kind = next(each for each in KINDS if each == parse_kind(word))
    fields = {_strip(field.path): field for field in describe_fields(kind)}
    path = _strip(rest)
    _check_path(fields, path)
    print("\n".join(render(kind, fields, path, recursive=options.recursive)))
    return 0


def _strip(path: str) -> str:
    """Return a path without `[]` after lists, indexes, and the NAME of maps."""
    parts = (part.partition("[")[0] for part in path.split("."))
    return ".".join(part for part in parts if part not in ("", "NAME"))


def _check_path(fields: Fields, path: str) -> None:
    """Raise Failure at the first part of the path that is not a field."""
    parent = ""
    for part in filter(None, path.split(".")):
        known = [_leaf(each) for each in _list_children(fields, parent)]
        if part not in known:
            where = parent or "the top"
            told = f"known are {', '.join(known)}" if known else "it has no fields"
            raise Failure(f"{part!r} is not a field of {where}{suggest(part, known)}: {told}")
        parent = f"{parent}.{part}".strip(".")


def _list_children(fields: Fields, parent: str) -> list[str]:
    return [path for path in fields if path.rpartition(".")[0] == parent]


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def render(kind: str, fields: Fields, path: str, *, recursive: bool) -> Iterator[str]:
    """Yield the lines that tell of a field, or with an empty path of a kind."""
    yield f"KIND: {kind}"
    if path:
        yield f"FIELD: {_render_head(fields[path], fields[path].path)}"
        yield f"  {fields[path].description}"
    below = _list_children(fields, path)
    if below:
        yield "FIELDS:"
    for child in below:
        yield from _render_field(fields, child, "  ", recursive=recursive)


def _render_field(fields: Fields, path: str, indent: str, *, recursive: bool) -> Iterator[str]:
    yield indent + _render_head(fields[path], _leaf(path))
    if fields[path].description:
        yield f"{indent}  {fields[path].description}"
    if recursive:
        for child in _list_children(fields, path):
            yield from _render_field(fields, child, indent + "    ", recursive=True)


def _render_head(field: "FieldDoc", name: str) -> str:
    default = f" default {field.default}" if field.default not in ("", "[]", "{}") else ""
    return f"{name} <{field.type}>{' required' if field.required else default}"
