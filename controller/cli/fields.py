"""Messages as plain mappings in the manifests' spelling, numbers as numbers."""

from typing import Any

from google.protobuf.message import Message

_STATUSES = ("container_status", "network_status", "volume_status", "image_status")
_SPECS = ("container", "network", "volume", "image")


def to_public(message: Message) -> dict[str, Any]:
    """Return a message's fields that are set, by their JSON names; times as RFC 3339 texts. Empty messages are left out."""
    fields = ((field.json_name, _convert(field, value)) for field, value in message.ListFields())
    return {name: value for name, value in fields if value != {}}


def _convert(field: Any, value: Any) -> Any:  # noqa: ANN401
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"].message_type
        return {key: to_public(each) if inner else each for key, each in sorted(value.items())}
    if field.is_repeated:
        return [_convert_message(each) for each in value]
    return _convert_message(value)


def _convert_message(value: Any) -> Any:  # noqa: ANN401
    name = value.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        return str(value.ToJsonString())
    if name == "google.protobuf.ListValue":
        return list(value)
    return to_public(value)


def to_document(resource: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a resource as manifests have it: apiVersion, kind, metadata, spec, status."""
    fields = to_public(resource)
    document: dict[str, Any] = {
        name: fields[name] for name in ("apiVersion", "kind", "metadata") if name in fields
    }
    spec = next((name for name in _SPECS if resource.HasField(name)), None)
    status = next((name for name in _STATUSES if resource.HasField(name)), None)
    if spec is not None:
        document["spec"] = to_public(getattr(resource, spec))
    if status is not None:
        document["status"] = _with_zeros(getattr(resource, status))
    return document


def _with_zeros(message: Message) -> dict[str, Any]:
    """Return a message's fields; numbers and switches are there also when they are zero, so that programs find them."""
    fields: dict[str, Any] = {}
    set_names = {field.name for field, _ in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        is_counted = not (field.has_presence or field.is_repeated or field.cpp_type == field.CPPTYPE_STRING)
        if field.name in set_names or is_counted:
            fields[field.json_name] = _convert(field, getattr(message, field.name))
    return fields


def find_condition(document: dict[str, Any], kind: str) -> str:
    """Return the status of a condition, `Unknown` when it is not told."""
    for condition in document.get("status", {}).get("conditions", []):
        if condition["type"].lower() == kind.lower():
            return str(condition["status"])
    return "Unknown"
