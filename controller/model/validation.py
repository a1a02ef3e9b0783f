"""What pydantic finds wrong, in the manifest's spelling and with the near miss."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from controller.errors import Violation
from controller.model.complaints import describe_complaint

Place = tuple[str | int, ...]
"""The way to a value in a document: keys and indexes, outermost first."""


def list_violations(
    error: ValidationError, model: type[BaseModel], subject: str
) -> list[tuple[Place, Violation]]:
    """Return each finding with its place in the document.

    `subject` names the object (`Container/web`); fields are written `Container/web: spec.ports[0].hostPort`.
    """
    return [_translate(detail, model, subject) for detail in error.errors(include_url=False)]


def _translate(detail: Any, model: type[BaseModel], subject: str) -> tuple[Place, Violation]:  # noqa: ANN401
    raw = tuple(part for part in detail["loc"] if not _is_internal(part))
    place = tuple(part for part, _ in _walk(model, raw))
    message = describe_complaint(detail)
    if detail["type"] == "extra_forbidden":
        message = "unknown field" + _suggest(model, place)
    elif detail["type"] == "missing":
        message = "is required"
    path = render_path(place)
    field = f"{subject}: {path}" if path else subject
    return place, Violation(field=field, message=message)


def _is_internal(part: str | int) -> bool:
    """Tell whether pydantic put the part in to name a validator or a member of a union, not a key of the document."""
    return isinstance(part, str) and "[" in part


def render_path(place: Place) -> str:
    """Return `spec.ports[0].hostPort` for ("spec", "ports", 0, "hostPort")."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _suggest(model: type[BaseModel], place: Place) -> str:
    known = _find_known_fields(model, place[:-1])
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}" if known else ""


def _find_known_fields(model: type[BaseModel], place: Place) -> list[str]:
    """Return the names that a mapping at `place` may have; empty when that can't be told."""
    *_, (_, last) = ((None, model), *_walk(model, place))
    return [field.alias or name for name, field in last.model_fields.items()] if last else []


def _walk(model: type[BaseModel], place: Place) -> Iterator[tuple[str | int, type[BaseModel] | None]]:
    """Yield each part as manifests spell it, with the model of the value there, None when it is no model."""
    current: type[BaseModel] | None = model
    for part in place:
        fields = current.model_fields if current is not None else {}
        name = next((name for name, field in fields.items() if part in (name, field.alias)), None)
        if name is None:  # an index, or a key of a mapping: the model of the values stays
            yield part, current
            continue
        current = next(_list_models(fields[name].annotation), None)
        yield fields[name].alias or name, current


def _list_models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _list_models(argument)
