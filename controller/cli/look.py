"""get: objects as tables for people and as documents for programs."""

import argparse
import sys
from dataclasses import replace

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure, parse_kind
from controller.cli.columns import Columns, Tables, print_tables
from controller.cli.fields import to_document
from controller.cli.output import print_documents
from controller.cli.tables import render_table


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
    parser.add_argument("--show-labels", action="store_true", help="Add a column of labels.")
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
        print_tables(resources, _choose_columns(options))
        if not resources:
            print("no objects found", file=sys.stderr)
    else:
        print_documents(resources, options.output, single=len(names) == 1)
    return 0


def _choose_columns(options: argparse.Namespace) -> Columns:
    return Columns(wide=options.output == "wide", headers=not options.no_headers, labels=options.show_labels)


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
    """Print the present state at once, then each change as it comes; an object that goes is shown a last time."""
    name = names[0] if len(names) == 1 else ""
    tables = Tables(replace(_choose_columns(options), kinds=not kind))
    present: list[resource_pb2.Resource] = []
    is_synced = False
    for change in client.watch(kind, name, options.selector, patience_s=None):
        if change.type == "SYNCED":
            is_synced = True
        elif names and change.resource.metadata.name not in names:
            continue
        else:
            present.append(change.resource)
        if is_synced and present:
            _show(present, options, tables, gone=change.type == "DELETED")
            present.clear()
    return 0


def _show(
    resources: list[resource_pb2.Resource], options: argparse.Namespace, tables: Tables, *, gone: bool
) -> None:
    if options.output in ("", "wide"):
        print(tables.render(resources, gone=gone), flush=True)
        return
    for resource in resources:
        print_documents([resource], options.output, single=True)
    sys.stdout.flush()


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
