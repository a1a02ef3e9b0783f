"""inspect: objects as JSON, or a few fields by a template."""

import argparse
import json
import re
from typing import Any

from controller.cli.client import KINDS, Client, Failure
from controller.cli.fields import find_path, to_document

_EXPRESSION = re.compile(r"\{\{\s*(json\s+)?\.([\w.\[\]]*)\s*\}\}")


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold inspect`."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="Name of any object, or the beginning of a container's id."
    )
    parser.add_argument("--type", default="", help="Only look for this type.")
    parser.add_argument(
        "-f", "--format", default="", help="Template such as '{{.status.pid}}' or '{{json .spec}}'."
    )


def run_inspect(client: Client, options: argparse.Namespace) -> int:
    """Print the objects as a JSON list, or a line for each by the template."""
    documents = [_find(client, name, options.type) for name in options.names]
    if not options.format:
        print(json.dumps(documents, indent=2, ensure_ascii=False))
        return 0
    for document in documents:
        print(render_template(options.format, document))
    return 0


def _find(client: Client, name: str, kind: str) -> dict[str, Any]:
    for candidate, words in KINDS.items():
        if kind and kind not in words:
            continue
        try:
            found = client.find_container(name) if candidate == "Container" else client.find(candidate, name)
        except Failure:
            found = None
        if found is not None:
            return to_document(found)
    raise Failure(f"no object is called {name}")


def render_template(template: str, document: dict[str, Any]) -> str:
    """Return the template with each `{{.path}}` and `{{json .path}}` filled in; Docker's capitals are accepted."""

    def fill(match: "re.Match[str]") -> str:
        value = find_path(document, match[2])
        if value is None:
            value = find_path(document, ".".join(part[:1].lower() + part[1:] for part in match[2].split(".")))
        return (
            json.dumps(value, ensure_ascii=False)
            if match[1] or isinstance(value, dict | list)
            else str(value)
        )

    return _EXPRESSION.sub(fill, template).replace("\\n", "\n").replace("\\t", "\t")
