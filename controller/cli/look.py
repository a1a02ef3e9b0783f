"""get: objects as tables for people and as documents for programs."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import KINDS, Client, Failure, parse_kind
from controller.cli.fields import find_condition, to_document
from controller.cli.output import print_documents
from controller.cli.tables import read_now, render_age, render_table

_COLUMNS = {
    "Container": (("PHASE", "IMAGE", "RESTARTS"), ("ADDRESSES", "PORTS", "PID", "MANAGER")),
    "Network": (("SUBNET", "GATEWAY"), ("BRIDGE", "MANAGER")),
    "Volume": (("DRIVER",), ("PATH", "MANAGER")),
    "Image": (("ID", "SIZE"), ("LAYERS", "MANAGER")),
}


def add_get(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold get`."""
    parser.add_argument(
        "references",
        nargs="+",
        metavar="TYPE [NAME...] | TYPE/NAME...",
        help="What to show; also all, sources, events.",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="",
        help="wide, json, yaml, name, jsonpath=PATH or custom-columns=TITLE:PATH,...",
    )
    parser.add_argument("-w", "--watch", action="store_true", help="Go on and show changes.")
    parser.add_argument("-l", "--selector", default="", help="Only objects with these labels.")
    parser.add_argument("--sort-by", default="", metavar="PATH", help="Sort by the value at this path.")
    parser.add_argument("--no-headers", action="store_true", help="Leave the titles of the columns out.")


def run_get(client: Client, options: argparse.Namespace) -> int:
    """Show objects."""
    word = options.references[0]
    if word in ("sources", "source"):
        return _show_sources(client, options)
    if word in ("events", "event"):
        from controller.cli.events import show_events

        return show_events(client, options)
    kind, names = _parse_wish(options.references)
    if options.watch:
        return _watch(client, options, kind, names)
    resources = _fetch(client, options, kind, names)
    if options.sort_by:
        resources.sort(key=lambda each: _sort_key(each, options.sort_by))
    if options.output in ("", "wide"):
        _print_tables(resources, wide=options.output == "wide", headers=not options.no_headers)
        if not resources:
            print("no objects found", file=sys.stderr)
    else:
        print_documents(resources, options.output, single=len(names) == 1)
    return 0


def _parse_wish(references: list[str]) -> tuple[str, list[str]]:
    """Return the kind (empty for all) and the names asked for."""
    if "/" in references[0]:
        pairs = [each.partition("/") for each in references]
        kinds = {parse_kind(kind) for kind, _, _ in pairs}
        if len(kinds) > 1:
            raise Failure("name objects of one type at a time, or use `hold get all`")
        return kinds.pop(), [name for _, _, name in pairs]
    if references[0] == "all":
        return "", references[1:]
    return parse_kind(references[0]), references[1:]


def _fetch(
    client: Client, options: argparse.Namespace, kind: str, names: list[str]
) -> list[resource_pb2.Resource]:
    if not names:
        return client.list_all(kind, options.selector)
    if kind == "Container":
        return [client.find_container(name) for name in names]
    return [client.get(kind, name) for name in names]


def _sort_key(resource: resource_pb2.Resource, path: str) -> tuple[bool, float, str]:
    """Return what sorts numbers by value, texts by letter and what is missing last."""
    from controller.cli.jsonpath import find_all

    value = next(iter(find_all(path, to_document(resource))), None)
    if isinstance(value, int | float):
        return (False, float(value), "")
    return (value is None, 0.0, str(value))


def _watch(client: Client, options: argparse.Namespace, kind: str, names: list[str]) -> int:
    request = state_pb2.WatchRequest(
        kind=kind, label_selector=options.selector, name=names[0] if names else ""
    )
    headers = not options.no_headers and options.output in ("", "wide")
    for change in client.channel.stream("StateService/Watch", request, state_pb2.WatchResponse):
        if change.type == "SYNCED":
            continue
        if options.output in ("", "wide"):
            _print_tables([change.resource], wide=options.output == "wide", headers=headers, named=not kind)
            headers = False
        else:
            print_documents([change.resource], options.output, single=True)
        sys.stdout.flush()
    return 0


def _print_tables(
    resources: Iterable[resource_pb2.Resource], *, wide: bool, headers: bool, named: bool = False
) -> None:
    by_kind: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for resource in resources:
        by_kind[resource.kind].append(to_document(resource))
    tables = []
    several = named or sum(bool(documents) for documents in by_kind.values()) > 1
    for kind, documents in by_kind.items():
        if documents:
            tables.append(_render_kind(kind, documents, wide=wide, headers=headers, prefixed=several))
    if tables:
        print("\n\n".join(tables))


def _render_kind(
    kind: str, documents: list[dict[str, Any]], *, wide: bool, headers: bool, prefixed: bool
) -> str:
    narrow, more = _COLUMNS[kind]
    titles = ("NAME", *narrow, "READY", "AGE", *(more if wide else ()))
    now = read_now()
    rows = []
    for document in documents:
        metadata = document["metadata"]
        cells = {
            "NAME": f"{kind.lower()}/{metadata['name']}" if prefixed else metadata["name"],
            "READY": find_condition(document, "Ready"),
            "AGE": render_age(metadata.get("createdAt", ""), now),
            "MANAGER": metadata.get("manager", ""),
        } | _KIND_CELLS[kind](document)
        if metadata.get("deletedAt"):
            cells["READY"] = "Deleting"
        rows.append([str(cells[title]) for title in titles])
    return render_table(titles, rows, with_headers=headers)


def _container_cells(document: dict[str, Any]) -> dict[str, Any]:
    spec, status = document.get("spec", {}), document.get("status", {})
    addresses = [f"{each['name']}={each['ipv4']}" for each in status.get("networks", [])]
    return {
        "PHASE": status.get("phase", "Pending"),
        "IMAGE": spec.get("image") or spec.get("rootfs", ""),
        "RESTARTS": status.get("restarts", 0),
        "ADDRESSES": ",".join(addresses) or spec.get("networkMode", "-"),
        "PORTS": ",".join(map(render_port, status.get("ports", []))) or "-",
        "PID": status.get("pid", 0) or "-",
    }


def render_port(port: dict[str, Any]) -> str:
    """Return `0.0.0.0:8080->80/tcp`."""
    host = port.get("hostIP") or "0.0.0.0"  # noqa: S104 - how Docker prints "every address"
    return f"{host}:{port.get('hostPort', 0)}->{port['containerPort']}/{port.get('protocol', 'tcp')}"


def _network_cells(document: dict[str, Any]) -> dict[str, Any]:
    status = document.get("status", {})
    return {title: status.get(title.lower(), "") or "-" for title in ("SUBNET", "GATEWAY", "BRIDGE")}


def _volume_cells(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "DRIVER": document.get("spec", {}).get("driver", "local"),
        "PATH": document.get("status", {}).get("path", "") or "-",
    }


def _image_cells(document: dict[str, Any]) -> dict[str, Any]:
    from controller.cli.tables import render_size

    status = document.get("status", {})
    return {
        "ID": status.get("id", "").removeprefix("sha256:")[:12] or "-",
        "SIZE": render_size(status.get("size", 0)),
        "LAYERS": len(status.get("layers", [])),
    }


_KIND_CELLS = {
    "Container": _container_cells,
    "Network": _network_cells,
    "Volume": _volume_cells,
    "Image": _image_cells,
}


def _show_sources(client: Client, options: argparse.Namespace) -> int:
    answer = client.channel.unary(
        "StateService/ListSources", state_pb2.ListSourcesRequest(), state_pb2.ListSourcesResponse
    )
    if options.output == "json":
        import json

        from controller.cli.fields import to_public

        print(json.dumps([to_public(each) for each in answer.sources], indent=2))
        return 0
    rows = [
        [each.name, each.state, str(each.objects), each.path, each.message or "-"] for each in answer.sources
    ]
    print(
        render_table(
            ["NAME", "STATE", "OBJECTS", "PATH", "MESSAGE"], rows, with_headers=not options.no_headers
        )
    )
    return 0
