"""Resources between the models and the wire; pure, and fast enough to be used on every call.

Field names of both are equal (a test holds them so), so a message is built from a dump of the model, and a model is
validated from the fields that are set in a message.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ValidationError

from controller.api.v1 import resource_pb2
from controller.errors import Invalid, Violation
from controller.model.changes import Draft
from controller.model.ids import Key, Uid
from controller.model.kinds import RESOURCE_TYPES, Resource
from controller.model.validation import list_violations

_SPEC_FIELDS = {"Container": "container", "Network": "network", "Volume": "volume", "Image": "image"}

_WORDS = {"entrypoint", "command", "masked_paths", "readonly_paths"}
_WITH_WORDS = ("config", "security_opt")


def to_proto(resource: Resource) -> resource_pb2.Resource:
    """Return the message for a resource, with its status and without what admission chose."""
    spec_field = _SPEC_FIELDS[resource.kind]
    fields: dict[str, Any] = {
        "api_version": resource.api_version,
        "kind": resource.kind,
        "metadata": resource.metadata.model_dump(exclude_none=True),
        spec_field: _dump(resource.spec),
        f"{spec_field}_status": _dump(resource.status),
    }
    return resource_pb2.Resource(**fields)


def _dump(model: BaseModel) -> dict[str, Any]:
    fields = model.model_dump(exclude_none=True)
    _wrap_words(fields)
    for name in _WITH_WORDS:
        if isinstance(fields.get(name), dict):
            _wrap_words(fields[name])
    return fields


def _wrap_words(fields: dict[str, Any]) -> None:
    """Put command lines into messages that can be absent or empty, which repeated fields can't."""
    for name in _WORDS & fields.keys():
        words = ListValue()
        words.extend(fields[name])
        fields[name] = words


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """Return the message for a time."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def to_fields(message: Message) -> dict[str, Any]:
    """Return the fields that are set, nested messages as mappings, lists and times as Python has them."""
    return {field.name: _convert_field(field, value) for field, value in message.ListFields()}


def _convert_field(field: FieldDescriptor, value: Any) -> Any:  # noqa: ANN401
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        values = field.message_type.fields_by_name["value"]
        if values.message_type is None:
            return dict(value)
        return {key: to_fields(entry) for key, entry in value.items()}
    convert = _convert_message if field.message_type is not None else _keep
    return [convert(item) for item in value] if field.is_repeated else convert(value)


def _keep(value: Any) -> Any:  # noqa: ANN401
    return value


def _convert_message(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Timestamp):
        return value.ToDatetime(tzinfo=UTC)
    if isinstance(value, ListValue):
        return list(value)
    return to_fields(value)


def to_draft(message: resource_pb2.Resource) -> Draft:
    """Return what the writer of a message wants; Invalid lists every finding by field.

    What hold sets (status, generation, times, manager) is left aside.
    """
    kind = message.kind
    if kind not in _SPEC_FIELDS:
        known = ", ".join(_SPEC_FIELDS)
        raise Invalid.of([Violation(field="kind", message=f"{kind!r} is not a kind; known are {known}")])
    subject = f"{kind}/{message.metadata.name}"
    given = message.WhichOneof("spec")
    if given not in (None, _SPEC_FIELDS[kind]):
        message_text = f"is of kind {kind} but carries the spec of a {given}"
        raise Invalid.of([Violation(field=f"{subject}: spec", message=message_text)])
    metadata = to_fields(message.metadata)
    fields: dict[str, Any] = {
        "api_version": message.api_version or "hold/v1",
        "kind": kind,
        "metadata": {name: metadata[name] for name in _WRITTEN_METADATA if name in metadata},
        "spec": to_fields(getattr(message, _SPEC_FIELDS[kind])),
    }
    return make_draft(fields, subject)


_WRITTEN_METADATA = ("name", "labels", "annotations", "uid", "revision")


def make_draft(fields: Mapping[str, Any], subject: str) -> Draft:
    """Validate a resource and return the draft; `subject` names it in findings."""
    model = RESOURCE_TYPES[fields["kind"]]
    try:
        resource = model.model_validate(fields)
    except ValidationError as error:
        raise Invalid.of([violation for _, violation in list_violations(error, model, subject)]) from error
    return draft_of(resource)


def draft_of(resource: Resource) -> Draft:
    """Return the wish for an object to be as `resource` says, whatever it is now unless it names a uid or revision."""
    return Draft(
        key=Key(resource.kind, resource.metadata.name),
        spec=resource.spec,
        labels=resource.metadata.labels,
        annotations=resource.metadata.annotations,
        uid=Uid(resource.metadata.uid) if resource.metadata.uid else None,
        revision=resource.metadata.revision,
    )


def collect_drafts(
    messages: "list[resource_pb2.Resource]", convert: Callable[[resource_pb2.Resource], Draft] = to_draft
) -> tuple[Draft, ...]:
    """Return the drafts of a batch; Invalid lists the findings of all of them together."""
    drafts: list[Draft] = []
    violations: list[Violation] = []
    for message in messages:
        try:
            drafts.append(convert(message))
        except Invalid as error:
            violations.extend(error.violations)
    if violations:
        raise Invalid.of(violations)
    return tuple(drafts)
