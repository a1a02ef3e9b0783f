"""The public shape is one: models, messages, actions, errors and examples say the same."""

import dataclasses
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from pydantic import BaseModel

import controller.plan
from controller import errors
from controller.api.status import CODES
from controller.api.v1 import resource_pb2
from controller.manifests.load import is_manifest, load_path
from controller.model.base import Model
from controller.model.kinds import RESOURCE_TYPES

EXAMPLES_PATH = Path(__file__).parents[2] / "manifests"
MESSAGES: dict[str, Descriptor] = dict(resource_pb2.DESCRIPTOR.message_types_by_name)


def list_models() -> dict[str, type[Model]]:
    """Every model that is on the wire, by name; `assigned` values stay in the store."""
    found: dict[str, type[Model]] = {}
    waiting: list[type[BaseModel]] = list(RESOURCE_TYPES.values())
    while waiting:
        model = waiting.pop()
        for field in model.model_fields.values():
            if not field.exclude:
                waiting += [named for named in _find_models(field.annotation) if named.__name__ not in found]
                found |= {named.__name__: named for named in _find_models(field.annotation)}
    return found


def _find_models(annotation: object) -> Iterator[type[Model]]:
    if inspect.isclass(annotation) and issubclass(annotation, Model):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _find_models(argument)


MODELS = list_models()


def test_each_model_is_a_message_and_each_message_a_model() -> None:
    assert MODELS.keys() == MESSAGES.keys() - {"Resource"}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_message_has_the_fields_of_its_model(name: str) -> None:
    model = {
        field_name: (field.alias, _is_many(field.annotation))
        for field_name, field in MODELS[name].model_fields.items()
    }
    message = {field.name: (field.json_name, field.is_repeated) for field in MESSAGES[name].fields}
    assert message == model


def _is_many(annotation: object) -> bool:
    """Lists and maps; one that may be absent, unlike empty, can't be a repeated field."""
    return typing.get_origin(annotation) in (tuple, dict)


@pytest.mark.parametrize("kind", sorted(RESOURCE_TYPES))
def test_a_resource_has_a_spec_and_a_status_of_each_kind(kind: str) -> None:
    types_by_field = {
        field.name: field.message_type.name for field in MESSAGES["Resource"].fields if field.message_type
    }
    assert types_by_field[kind.lower()] == f"{kind}Spec"
    assert types_by_field[f"{kind.lower()}_status"] == f"{kind}Status"


def list_actions() -> list[type]:
    """The members of every union in the plans whose name ends in Action."""
    actions: list[type] = []
    for module_info in pkgutil.walk_packages(controller.plan.__path__, "controller.plan."):
        for name, value in vars(importlib.import_module(module_info.name)).items():
            if name.endswith("Action") and isinstance(value, types.UnionType):
                actions += typing.get_args(value)
    return sorted(set(actions), key=lambda action: action.__qualname__)


@pytest.mark.parametrize("action", list_actions())
def test_an_action_is_a_frozen_value_that_describes_itself(action: type) -> None:
    assert dataclasses.is_dataclass(action)
    assert vars(action)["__dataclass_params__"].frozen
    assert "__slots__" in vars(action)
    assert inspect.isfunction(getattr(action, "describe", None))


def test_each_class_of_errors_has_a_code() -> None:
    classes = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.HoldError) and value is not errors.HoldError
    }
    assert CODES.keys() == classes


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES_PATH.rglob("*.*")), ids=lambda path: str(path.relative_to(EXAMPLES_PATH))
)
def test_an_example_is_a_manifest_that_loads(path: Path) -> None:
    assert is_manifest(path)
    assert load_path(path) != []


def test_no_two_examples_declare_the_same_object() -> None:
    assert load_path(EXAMPLES_PATH) != []
