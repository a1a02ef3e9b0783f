"""Objects as JSON, YAML, names, jsonpath and custom columns."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.fields import to_document


def print_documents(resources: Iterable[resource_pb2.Resource], form: str, *, single: bool = False) -> None:
    """Print resources as `json`, `yaml`, `name`, `jsonpath=...` or `custom-columns=...`."""
    documents = [to_document(each) for each in resources]
    print(render_documents(documents, form, single=single))


def render_documents(documents: list[dict[str, Any]], form: str, *, single: bool = False) -> str:
    """Return documents in a form for programs; one alone is not put into a List when `single`."""
    whole = documents[0] if single and len(documents) == 1 else make_list(documents)
    name, _, argument = form.partition("=")
    match name:
        case "json":
            return json.dumps(whole, indent=2, ensure_ascii=False)
        case "yaml":
            from controller.manifests.dump import dump_yaml

            return "---\n".join(dump_yaml(document) for document in documents).rstrip("\n")
        case "name":
            return "\n".join(f"{each['kind'].lower()}/{each['metadata']['name']}" for each in documents)
        case "jsonpath":
            from controller.cli.jsonpath import render_template

            return render_template(argument, whole)
        case "custom-columns":
            return _render_columns(documents, argument)
        case _:
            pass
    raise Failure(
        f"{form!r} is not an output; known are wide, json, yaml, name, jsonpath=PATH, custom-columns=TITLE:PATH"
    )


def make_list(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the List that holds documents, which can be applied."""
    return {"apiVersion": "hold/v1", "kind": "List", "items": list(documents)}


def _render_columns(documents: list[dict[str, Any]], argument: str) -> str:
    from controller.cli.jsonpath import find_all, render_value
    from controller.cli.tables import render_table

    columns = [column.partition(":") for column in argument.split(",")]
    if not all(title and path for title, _, path in columns):
        raise Failure("custom-columns wants TITLE:PATH,TITLE:PATH")
    rows = [
        [",".join(map(render_value, find_all(path, each))) or "<none>" for _, _, path in columns]
        for each in documents
    ]
    return render_table([title for title, _, _ in columns], rows)


def render_spec(resource: resource_pb2.Resource) -> str:
    """Return labels, annotations and spec of an object as YAML, for differences."""
    from controller.manifests.dump import dump_yaml

    document = to_document(resource)
    metadata = {
        name: document["metadata"][name]
        for name in ("name", "labels", "annotations")
        if name in document["metadata"]
    }
    return dump_yaml({"kind": document["kind"], "metadata": metadata, "spec": document.get("spec", {})})
