"""explain: fields of a kind, from the models that validate them."""

import argparse
import types
import typing
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from controller.cli.client import Client, Failure, parse_kind
from controller.model.kinds import RESOURCE_TYPES


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold explain`."""
    parser.add_argument("path", metavar="TYPE[.FIELD...]", help="Such as container or container.spec.ports.")
    parser.add_argument("--recursive", action="store_true", help="Also the fields of fields.")


def run_explain(_: Client, options: argparse.Namespace) -> int:
    """Print what a field is, and the fields below it."""
    word, *parts = options.path.split(".")
    kind = parse_kind(word)
    model: type[BaseModel] | None = RESOURCE_TYPES[kind]  # type: ignore[index]  # parse_kind returns kinds only
    print(f"KIND: {kind}")
    for part in parts:
        fields = _list_fields(model)
        if part not in fields:
            raise Failure(f"{part!r} is not a field there; known are {', '.join(fields) or 'none'}")
        field = fields[part]
        print(
            f"FIELD: {part} <{render_type(field.annotation)}>{_render_default(field)}\n  {field.description or ''}"
        )
        model = find_model(field.annotation)
    if model is not None:
        print("FIELDS:")
        _print_fields(model, "  ", recursive=options.recursive)
    return 0


def _list_fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items() if not field.exclude}


def _print_fields(model: type[BaseModel], indent: str, *, recursive: bool) -> None:
    for name, field in _list_fields(model).items():
        print(f"{indent}{name} <{render_type(field.annotation)}>{_render_default(field)}")
        if field.description:
            print(f"{indent}  {field.description}")
        inner = find_model(field.annotation)
        if recursive and inner is not None:
            _print_fields(inner, indent + "    ", recursive=True)


def _render_default(field: FieldInfo) -> str:
    if field.is_required():
        return " required"
    default = field.default
    if (
        default is PydanticUndefined
        or default is None
        or default in ((), {}, "")
        or isinstance(default, BaseModel)
    ):
        return ""
    return f" default {default}"


def render_type(annotation: Any) -> str:  # noqa: ANN401
    """Return a type as people write it: text, number, list of text."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return render_type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(render_type(each) for each in arguments if each is not type(None))
    if origin is typing.Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {render_type(arguments[0])}"
    if origin is dict:
        return f"map of {render_type(arguments[1])}"
    names = {str: "text", int: "number", float: "number", bool: "boolean"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def find_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """Return the model inside a type, None when there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := find_model(each)) is not None), None)
