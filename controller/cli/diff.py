"""diff: what manifests would change, as a unified diff of YAML."""

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.declare import name_of
from controller.cli.fields import to_document
from controller.cli.sources import add_filename_flag, load_manifests

_COLOURS = {"---": "1", "+++": "1", "@@": "36", "-": "31", "+": "32"}
_SHOWN_METADATA = ("name", "labels", "annotations", "manager")


def add_diff(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold diff`."""
    add_filename_flag(parser)
    parser.add_argument(
        "container", nargs="?", default="", help="As with Docker: what this container changed of its files."
    )
    parser.add_argument("--prune", action="store_true", help="Also show what apply --prune deletes.")
    parser.add_argument("--manager", default="", help="Who declares the objects; cli by default.")


def run_diff(client: Client, options: argparse.Namespace) -> int:
    """Print a diff of each object that would change; exit code 1 when any would, above 1 on errors.

    With a container, list what it changed of its files.
    """
    if options.container:
        if options.filename:
            raise Failure("diff takes manifests or a container, not both")
        from controller.cli.changes import show_changes

        return show_changes(client, options.container)
    request = state_pb2.ApplyRequest(
        resources=load_manifests(options.filename),
        manager=options.manager,
        prune=options.prune,
        dry_run=True,
        force=True,
    )
    present = {(each.kind, each.metadata.name): each for each in client.list_all()}
    answer = client.apply(request)
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    differs = False
    for outcome, wanted in zip(answer.outcomes, answer.resources, strict=True):
        if outcome.verb == "unchanged":
            continue
        differs = True
        before = present.get((outcome.key.kind, outcome.key.name))
        after = wanted if outcome.verb != "delete" else None
        lines = compare(name_of(outcome.key), before, after)
        print("\n".join(_paint(lines) if coloured else lines))
    return 1 if differs else 0


def compare(
    name: str, before: resource_pb2.Resource | None, after: resource_pb2.Resource | None
) -> Iterator[str]:
    """Yield the lines of a unified diff; None stands for an object that is not there."""
    return difflib.unified_diff(
        _render(before), _render(after), f"present/{name}", f"declared/{name}", lineterm=""
    )


def _render(resource: resource_pb2.Resource | None) -> list[str]:
    """Return the lines of what people declare of an object, and who declares it."""
    if resource is None:
        return []
    from controller.manifests.dump import dump_yaml

    document = to_document(resource)
    metadata = {name: value for name, value in document["metadata"].items() if name in _SHOWN_METADATA}
    fields: dict[str, Any] = {
        "kind": document["kind"],
        "metadata": metadata,
        "spec": document.get("spec", {}),
    }
    return dump_yaml(fields).splitlines()


def _paint(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        colour = next((code for mark, code in _COLOURS.items() if line.startswith(mark)), "")
        yield f"\033[{colour}m{line}\033[0m" if colour else line
