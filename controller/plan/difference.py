"""What differs between two desired states, field by field, in the manifest's spelling; and what a new process needs."""

import json
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from controller.model.changes import FieldChange
from controller.model.container import ContainerSpec
from controller.model.kinds import Spec
from controller.plan.oci.spec_hash import list_hashed_differences

OPERATED_FIELDS = frozenset({"desired", "run"})
"""Attributes of ContainerSpec that verbs such as stop and restart write, and that manifests seldom speak of."""

_Json = Mapping[str, object]
_ABSENT = object()


def list_spec_changes(old: Spec | None, new: Spec) -> tuple[FieldChange, ...]:
    """Return the fields that differ, in the order of the model; all that are not defaults when there is no `old`."""
    if old is None:
        return _compare("spec", {}, new.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    changed = [
        name
        for name in type(new).model_fields
        if type(old) is not type(new) or getattr(old, name) != getattr(new, name)
    ]
    return _compare("spec", _dump(old, changed), _dump(new, changed))


def list_map_changes(path: str, old: Mapping[str, str], new: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """Return the entries of labels or annotations, found at `path`, that differ."""
    return _compare(path, old, new)


def list_recreate_paths(old: Spec, new: Spec) -> tuple[str, ...]:
    """Return the paths of changed fields that need a new process; nothing for kinds without processes."""
    if not isinstance(old, ContainerSpec) or not isinstance(new, ContainerSpec):
        return ()
    fields = ContainerSpec.model_fields
    return tuple(f"spec.{fields[name].alias or name}" for name in list_hashed_differences(old, new))


def is_same_design(old: Spec, new: Spec) -> bool:
    """Tell whether the specs differ at most in what verbs write (`desired`, `run`)."""
    if not isinstance(old, ContainerSpec) or not isinstance(new, ContainerSpec):
        return old == new
    update = {name: getattr(old, name) for name in OPERATED_FIELDS}
    return old == new.model_copy(update=update)


def _dump(model: BaseModel, names: list[str]) -> _Json:
    return model.model_dump(mode="json", by_alias=True, include=set(names))


def _compare(path: str, old: _Json, new: _Json) -> tuple[FieldChange, ...]:
    names = [*new, *(name for name in old if name not in new)]
    changes: list[FieldChange] = []
    for name in names:
        changes.extend(_walk(f"{path}.{name}", old.get(name, _ABSENT), new.get(name, _ABSENT)))
    return tuple(changes)


def _walk(path: str, old: object, new: object) -> Iterator[FieldChange]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _compare(path, old, new)
    elif isinstance(old, list) and isinstance(new, list) and _has_objects([*old, *new]):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _ABSENT
            after = new[index] if index < len(new) else _ABSENT
            yield from _walk(f"{path}[{index}]", before, after)
    else:
        yield FieldChange(path=path, old=_render(old), new=_render(new))


def _has_objects(items: list[object]) -> bool:
    return any(isinstance(item, dict) for item in items)


def _render(value: object) -> str:
    return "" if value is _ABSENT else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
