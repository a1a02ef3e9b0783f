"""What can be said about every field of a kind, read from the models: for `hold explain` and the manual."""

import inspect
import json
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from controller.model.ids import KindName
from controller.model.kinds import RESOURCE_TYPES
from controller.model.quantities import parse_duration_s, parse_size_bytes

_PLAIN = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    datetime: "time",
}
_QUANTITIES: dict[object, str] = {parse_size_bytes: "size", parse_duration_s: "duration"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDoc:
    """One field of a manifest.

    `path` is spelled as in manifests, with `[]` after a list and `.NAME` after a map: `spec.ports[].hostIP`.
    `default` is as one would write it in YAML; empty when there is none.
    """

    path: str
    type: str
    required: bool
    default: str
    description: str


def describe_fields(kind: KindName) -> tuple[FieldDoc, ...]:
    """Return every field of a kind, each before the fields inside it, in the order of the models."""
    return tuple(_describe_model(RESOURCE_TYPES[kind], ""))


def _describe_model(model: type[BaseModel], prefix: str) -> Iterator[FieldDoc]:
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        path = f"{prefix}{field.alias or name}"
        type_text = _describe_type(field.annotation, field.metadata)
        inner, step = _find_model(field.annotation)
        description = field.description or _read_summary(inner)
        yield FieldDoc(
            path=path,
            type=type_text,
            required=field.is_required(),
            default=_describe_default(field, type_text),
            description=description,
        )
        if inner is not None:
            yield from _describe_model(inner, f"{path}{step}.")


def _describe_type(annotation: Any, metadata: Sequence[object] = ()) -> str:  # noqa: ANN401
    for marker in metadata:
        if isinstance(marker, BeforeValidator) and marker.func in _QUANTITIES:
            return _QUANTITIES[marker.func]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _describe_type(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(_describe_type(each) for each in arguments if each is not type(None))
    if origin is tuple:
        return f"list of {_describe_type(arguments[0])}"
    if origin is dict:
        return f"map of {_describe_type(arguments[1])}"
    return " or ".join(arguments) if origin is Literal else _describe_class(annotation)


def _describe_class(annotation: type) -> str:
    if issubclass(annotation, Enum):
        return " or ".join(str(member.value) for member in annotation)
    return _PLAIN.get(annotation, "object")


def _find_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:  # noqa: ANN401
    """Return the model inside a field's type, and the step from the field's path to it."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, ""
    step = {tuple: "[]", dict: ".NAME"}.get(get_origin(annotation), "")
    for argument in get_args(annotation):
        model, further = _find_model(argument)
        if model is not None:
            return model, step + further
    return None, ""


def _read_summary(model: type[BaseModel] | None) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0] if model is not None else ""


def _describe_default(field: FieldInfo, type_text: str) -> str:
    value = field.default
    if field.is_required() or value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}s" if type_text == "duration" else f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
