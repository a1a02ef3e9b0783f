"""inspect: objects as JSON, or a few fields by a template."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from controller.api.v1 import container_pb2, resource_pb2
from controller.cli.client import KINDS, Client, Failure, parse_kind
from controller.cli.docker_networks import complete_places
from controller.cli.docker_view import view_as_docker
from controller.cli.fields import to_document
from controller.cli.formats import Format
from controller.cli.inspected_mounts import list_mounts


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold inspect`."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="Name of any object, or the beginning of a container's id."
    )
    parser.add_argument("--type", default="", help="Only look for this type.")
    parser.add_argument("-s", "--size", action="store_true", help="Also measure what containers take.")
    parser.add_argument(
        "-f",
        "--format",
        default="",
        help="json, or a template such as '{{.status.pid}}' or '{{json .spec}}'.",
    )


def run_inspect(client: Client, options: argparse.Namespace) -> int:
    """Print the objects as a JSON list, or a line for each by the template; exit code 1 when one is not there."""
    wanted = parse_kind(options.type) if options.type else ""
    template = Format(options.format) if options.format not in ("", "json") else None
    documents = []
    missing = []
    for name in options.names:
        document = _find(client, name, wanted)
        if document is None:
            missing.append(name)
        else:
            documents.append(_measure(client, document) if options.size else document)
    if template is None:
        print(json.dumps(documents, indent=None if options.format else 2, ensure_ascii=False))
    else:
        for document in documents:
            print(template.fill(_view(client, document, options.format)))
    for name in missing:
        print(f"hold: no object is called {name}", file=sys.stderr)
    return 1 if missing else 0


Document = dict[str, Any]


def inspect_kind(
    client: Client, kind: str, names: Sequence[str], form: str, complete: Callable[[Document], Document]
) -> int:
    """Print objects of a kind, by name or id, with what `complete` adds, as `run_inspect` does."""
    documents, missing = [], []
    for name in names:
        found = client.find(kind, name) or find_by_id(client, kind, name)
        if found is None:
            missing.append(name)
        else:
            documents.append(complete(to_document(found)))
    if form in ("", "json"):
        print(json.dumps(documents, indent=None if form else 2, ensure_ascii=False))
    else:
        template = Format(form)
        for document in documents:
            print(template.fill(view_as_docker(document)))
    word = KINDS[kind][0]
    for name in missing:
        print(f"hold: {word} {name} does not exist: `hold {word} ls` lists those that do", file=sys.stderr)
    return 1 if missing else 0


def find_by_id(client: Client, kind: str, beginning: str) -> resource_pb2.Resource | None:
    """Return the only object whose uid begins so."""
    if not re.fullmatch(r"[0-9a-f]{4,32}", beginning):
        return None
    found = [each for each in client.list_all(kind) if each.metadata.uid.startswith(beginning)]
    return found[0] if len(found) == 1 else None


def _find(client: Client, name: str, kind: str) -> dict[str, Any] | None:
    for candidate in (kind,) if kind else KINDS:
        try:
            found = client.find_container(name) if candidate == "Container" else client.find(candidate, name)
        except Failure:
            found = None
        if found is not None:
            return to_document(found)
    return None


def _measure(client: Client, document: dict[str, Any]) -> dict[str, Any]:
    """Return a container's document with Docker's fields for its sizes in bytes; others as they are."""
    if document["kind"] != "Container":
        return document
    request = container_pb2.MeasureRequest(containers=[document["metadata"]["name"]])
    answer = client.channel.unary("ContainerService/Measure", request, container_pb2.MeasureResponse)
    sizes = [{"SizeRw": each.writable_bytes, "SizeRootFs": each.virtual_bytes} for each in answer.sizes]
    return document | (sizes[0] if sizes else {})


def _view(client: Client, document: dict[str, Any], form: str) -> dict[str, Any]:
    """Return what a template sees: the object's own fields, and Docker's; some only if the template has them."""
    match document["kind"]:
        case "Container":
            image = client.find("Image", document["spec"].get("image", ""))
            status = to_document(image).get("status", {}) if image is not None else {}
            view = view_as_docker(document, status.get("config", {}))
            if ".Mounts" in form:
                view["Mounts"] = list_mounts(client, document)
            if ".NetworkSettings" in form:
                networks = {each.metadata.name: to_document(each) for each in client.list_all("Network")}
                view["NetworkSettings"] = complete_places(view, networks)
            return view
        case "Image":
            from controller.cli.image_inspect import ask, make_document

            return view_as_docker(document) | make_document(ask(client, document["metadata"]["name"]))
        case _:
            return view_as_docker(document)
