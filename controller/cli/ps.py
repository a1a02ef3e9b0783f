"""ps: containers as `docker ps` lists them."""

import argparse
import json
from datetime import datetime
from typing import Any

from controller.cli.client import Client, Failure
from controller.cli.columns import render_port
from controller.cli.fields import to_document
from controller.cli.tables import read_now, render_long_age, render_table

_SHORT_ID = 12
_TITLES = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
_KEYS = ("ID", "Image", "Command", "CreatedSince", "Status", "Ports", "Names")
_STATES = {
    "running": "Running",
    "paused": "Paused",
    "exited": "Exited",
    "created": "Pending",
    "failed": "Failed",
}


def add_ps(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold ps`."""
    parser.add_argument("-a", "--all", action="store_true", help="Also those that do not run.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print ids only.")
    parser.add_argument("-n", "--last", type=int, default=0, help="The last N made, whatever their state.")
    parser.add_argument("-l", "--latest", action="store_true", help="The last one made.")
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="name, id, label, status or network.",
    )
    parser.add_argument("--format", default="", help="json, or a template such as '{{.Names}}: {{.Status}}'.")
    parser.add_argument("--no-trunc", action="store_true", help="Print whole ids and commands.")


def run_ps(client: Client, options: argparse.Namespace) -> int:
    """List containers."""
    documents = [to_document(each) for each in client.list_all("Container")]
    documents.sort(key=lambda each: str(each["metadata"].get("createdAt", "")), reverse=True)
    documents = [each for each in documents if all(_passes(each, *_split(text)) for text in options.filter)]
    shows_all = (
        options.all or options.last or options.latest or any("status=" in text for text in options.filter)
    )
    if not shows_all:
        documents = [each for each in documents if _phase(each) in ("Running", "Paused", "Stopping")]
    if options.last or options.latest:
        documents = documents[: 1 if options.latest else options.last]
    now = read_now()
    rows = [_describe(each, now, whole=options.no_trunc) for each in documents]
    print_rows(rows, options)
    return 0


def print_rows(rows: list[dict[str, str]], options: argparse.Namespace) -> None:
    """Print rows as a table, ids, JSON lines or by a template."""
    if options.quiet:
        lines = [row["ID"] for row in rows]
    elif options.format == "json":
        lines = [json.dumps(row) for row in rows]
    elif options.format:
        lines = [_fill(options.format.removeprefix("table "), row) for row in rows]
    else:
        lines = [render_table(_TITLES, [[row[key] for key in _KEYS] for row in rows])]
    if lines:
        print("\n".join(lines))


def _fill(template: str, row: dict[str, str]) -> str:
    import re

    def replace(match: "re.Match[str]") -> str:
        key = match[1]
        if key not in row:
            raise Failure(
                f"{match[0]} is not known; known are {', '.join('{{.' + each + '}}' for each in row)}"
            )
        return row[key]

    return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", replace, template.replace("\\t", "\t"))


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in ("name", "id", "label", "status", "network"):
        raise Failure(f"--filter {text!r}: write name=, id=, label=, status= or network=")
    return key, value


def _passes(document: dict[str, Any], key: str, value: str) -> bool:
    metadata = document["metadata"]
    match key:
        case "name":
            return value.lstrip("/") in metadata["name"]
        case "id":
            return str(metadata["uid"]).startswith(value)
        case "label":
            name, equals, wanted = value.partition("=")
            labels = metadata.get("labels", {})
            return name in labels and (not equals or labels[name] == wanted)
        case "status":
            return _phase(document) == _STATES.get(value, value)
        case _:
            return any(each["name"] == value for each in document.get("status", {}).get("networks", []))


def _phase(document: dict[str, Any]) -> str:
    return str(document.get("status", {}).get("phase", "Pending"))


def _describe(document: dict[str, Any], now: datetime, *, whole: bool) -> dict[str, str]:
    metadata, spec, status = document["metadata"], document["spec"], document.get("status", {})
    uid = str(metadata["uid"])
    command = " ".join([*spec.get("entrypoint", []), *spec.get("command", [])])
    if not whole and len(command) > 20:
        command = command[:19] + "…"
    return {
        "ID": uid if whole else uid[:_SHORT_ID],
        "Image": spec.get("image") or spec.get("rootfs", ""),
        "Command": f'"{command}"',
        "CreatedSince": f"{render_long_age(metadata.get('createdAt', ''), now)} ago",
        "Status": _render_status(status, now),
        "Ports": ", ".join(map(render_port, status.get("ports", []))),
        "Names": metadata["name"],
        "Labels": ",".join(f"{name}={value}" for name, value in metadata.get("labels", {}).items()),
        "State": _phase(document).lower(),
        "Networks": ",".join(each["name"] for each in status.get("networks", [])),
    }


def _render_status(status: dict[str, Any], now: datetime) -> str:
    phase = status.get("phase", "Pending")
    if phase in ("Running", "Paused", "Stopping"):
        suffix = " (Paused)" if phase == "Paused" else ""
        return f"Up {render_long_age(status.get('startedAt', ''), now)}{suffix}"
    if phase == "Exited":
        return (
            f"Exited ({status.get('exitCode', 0)}) {render_long_age(status.get('finishedAt', ''), now)} ago"
        )
    return "Created" if phase in ("Pending", "Creating") else str(phase)
