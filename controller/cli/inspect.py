"""inspect: objects as JSON, or a few fields by a template."""

import argparse
import json
import sys
from typing import Any

from controller.cli.client import KINDS, Client, Failure
from controller.cli.docker_view import view_as_docker
from controller.cli.fields import to_document
from controller.cli.formats import Format


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold inspect`."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="Name of any object, or the beginning of a container's id."
    )
    parser.add_argument("--type", default="", help="Only look for this type.")
    parser.add_argument(
        "-f",
        "--format",
        default="",
        help="json, or a template such as '{{.status.pid}}' or '{{json .spec}}'.",
    )


def run_inspect(client: Client, options: argparse.Namespace) -> int:
    """Print the objects as a JSON list, or a line for each by the template; exit code 1 when one is not there."""
    template = Format(options.format) if options.format not in ("", "json") else None
    documents = []
    missing = []
    for name in options.names:
        document = _find(client, name, options.type)
        if document is None:
            missing.append(name)
        else:
            documents.append(document)
    if template is None:
        print(json.dumps(documents, indent=None if options.format else 2, ensure_ascii=False))
    else:
        for document in documents:
            print(template.fill(view_as_docker(document)))
    for name in missing:
        print(f"hold: no object is called {name}", file=sys.stderr)
    return 1 if missing else 0


def _find(client: Client, name: str, kind: str) -> dict[str, Any] | None:
    for candidate, words in KINDS.items():
        if kind and kind not in words:
            continue
        try:
            found = client.find_container(name) if candidate == "Container" else client.find(candidate, name)
        except Failure:
            found = None
        if found is not None:
            return to_document(found)
    return None


def render_template(template: str, document: dict[str, Any]) -> str:
    """Return the template filled in; fields may be written with a capital, as Docker has them."""
    return Format(template).fill(document)
