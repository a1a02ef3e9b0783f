"""describe: an object as a person wants to read it."""

import argparse
from typing import Any

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure, parse_references
from controller.cli.events import render_events
from controller.cli.fields import to_document
from controller.cli.tables import read_now, render_age, render_table

_INDENT = "  "
_MOST_EVENTS = 20


def add_describe(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold describe`."""
    parser.add_argument(
        "references", nargs="+", metavar="TYPE NAME... | TYPE/NAME...", help="What to describe."
    )


def run_describe(client: Client, options: argparse.Namespace) -> int:
    """Print each object with its conditions and events, those under earlier names too, not those of a namesake."""
    keys = parse_references(options.references)
    if not keys:
        raise Failure("name what to describe: TYPE NAME or TYPE/NAME")
    texts = []
    for key in keys:
        resource = (
            client.find_container(key.name) if key.kind == "Container" else client.get(key.kind, key.name)
        )
        request = state_pb2.ListEventsRequest(uid=resource.metadata.uid, limit=_MOST_EVENTS)
        events = client.channel.unary("StateService/ListEvents", request, state_pb2.ListEventsResponse).events
        texts.append(
            f"{render_object(resource)}\nEvents:\n{_shift(render_events(events) if events else 'none')}"
        )
    print("\n\n".join(texts))
    return 0


def render_object(resource: resource_pb2.Resource) -> str:
    """Return identity, spec, status and conditions of an object."""
    document = to_document(resource)
    metadata, now = document["metadata"], read_now()
    head = {
        "Name": metadata["name"],
        "Kind": document["kind"],
        "Uid": metadata.get("uid", ""),
        "Labels": ", ".join(f"{name}={value}" for name, value in metadata.get("labels", {}).items())
        or "none",
        "Manager": metadata.get("manager", ""),
        "Age": render_age(metadata.get("createdAt", ""), now),
        "Generation": f"{metadata.get('generation', 0)} (observed {document.get('status', {}).get('observedGeneration', 0)})",
    }
    lines = [f"{name + ':':<12} {value}" for name, value in head.items()]
    status = {
        name: value
        for name, value in document.get("status", {}).items()
        if name not in ("conditions", "observedGeneration")
    }
    lines += [
        "Spec:",
        _shift(_render_yaml(document.get("spec", {}))),
        "Status:",
        _shift(_render_yaml(status)),
    ]
    conditions = document.get("status", {}).get("conditions", [])
    rows = [
        [
            each["type"],
            each["status"],
            each.get("reason", ""),
            render_age(each.get("lastTransitionAt", ""), now),
            each.get("message", ""),
        ]
        for each in conditions
    ]
    table = render_table(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], rows) if rows else "none"
    return "\n".join([*lines, "Conditions:", _shift(table)])


def _render_yaml(fields: dict[str, Any]) -> str:
    from controller.manifests.dump import dump_yaml

    return dump_yaml(fields).rstrip("\n") if fields else "none"


def _shift(text: str) -> str:
    return "\n".join(_INDENT + line for line in text.splitlines())
