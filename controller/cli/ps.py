"""ps: containers as `docker ps` lists them."""

import argparse
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.cli.addresses import render_ports
from controller.cli.client import Client
from controller.cli.fields import to_document
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.ps_filters import KNOWN, Document, Surroundings, find_state, read_filters
from controller.cli.tables import read_now, render_long_age, render_size

_SHORT_ID = 12
_SHORT_COMMAND = 20
_TITLES = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "CreatedSince": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Names": "NAMES",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}
_SHOWN = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_ALIVE = ("running", "paused", "restarting", "removing")
_LABEL_PATTERN = r"\{\{\s*\.Label\s+\"%s\"\s*\}\}"
_LABEL = re.compile(_LABEL_PATTERN % r"([^\"]+)")


def add_ps(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold ps`."""
    parser.add_argument("-a", "--all", action="store_true", help="Also those that do not run.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print ids only.")
    parser.add_argument(
        "-n", "--last", type=int, default=-1, metavar="N", help="The last N made, whatever their state."
    )
    parser.add_argument("-l", "--latest", action="store_true", help="The last one made.")
    parser.add_argument(
        "-s", "--size", action="store_true", help="Tell the size of what each wrote, and with its image."
    )
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Keys are {KNOWN}."
    )
    add_format_flag(parser)
    parser.add_argument("--no-trunc", action="store_true", help="Print whole ids and commands.")


def run_ps(client: Client, options: argparse.Namespace) -> int:
    """List containers."""
    chosen = choose_containers(client, options)
    if options.quiet:
        length = None if options.no_trunc else _SHORT_ID
        print_lines("\n".join(str(each["metadata"]["uid"])[:length] for each in chosen))
        return 0
    wants_size = options.size or ".Size" in options.format or options.format == "json"
    sizes = measure(client, chosen) if wants_size and chosen else {}
    _add_words(client, chosen)
    now = read_now()
    rows = [describe_container(each, now, whole=options.no_trunc) for each in chosen]
    for row, document in zip(rows, chosen, strict=True):
        row["Size"] = sizes.get(document["metadata"]["name"], "")
    titles, form = _give_labels_keys(options.format, rows, chosen)
    shown = (*_SHOWN, "Size") if options.size else _SHOWN
    print_lines(Listing(titles=titles, shown=shown).render(rows, form))
    return 0


def choose_containers(client: Client, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the containers that the flags ask for, newest first."""
    documents = [to_document(each) for each in client.list_all("Container")]
    documents.sort(key=lambda each: str(each["metadata"].get("createdAt", "")), reverse=True)
    surroundings = Surroundings(documents, lambda: [to_document(each) for each in client.list_all("Image")])
    passes = read_filters(options.filter, surroundings)
    most = 1 if options.latest else options.last
    names_states = any(text.startswith(("status=", "exited=")) for text in options.filter)
    if not (options.all or most >= 0 or names_states):
        documents = [each for each in documents if find_state(each) in _ALIVE]
    chosen = [each for each in documents if passes(each)]
    return chosen[:most] if most >= 0 else chosen


def _add_words(client: Client, documents: Sequence[dict[str, Any]]) -> None:
    """Add to each container, as `words`, what it runs: its own entrypoint and command, or its image's."""
    images: dict[str, Document] = {}
    if not all("command" in each["spec"] for each in documents):
        images = {each.metadata.name: to_document(each) for each in client.list_all("Image")}
    for document in documents:
        spec = document["spec"]
        config = images.get(spec.get("image", ""), {}).get("status", {}).get("config", {})
        entrypoint = spec.get("entrypoint", config.get("entrypoint", []))
        command = spec.get("command", [] if "entrypoint" in spec else config.get("command", []))
        document["words"] = [*entrypoint, *command]


def measure(client: Client, documents: Sequence[Document]) -> dict[str, str]:
    """Return sizes by name, such as `2B (virtual 1.2MB)`."""
    from controller.api.v1 import container_pb2

    request = container_pb2.MeasureRequest(containers=[each["metadata"]["name"] for each in documents])
    answer = client.channel.unary("ContainerService/Measure", request, container_pb2.MeasureResponse)
    return {
        each.container: f"{render_size(each.writable_bytes)} (virtual {render_size(each.virtual_bytes)})"
        for each in answer.sizes
    }


def describe_container(document: Document, now: datetime, *, whole: bool) -> dict[str, str]:
    """Return a row without its size; `words` of the document is what the container runs."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status", {})
    uid = str(metadata["uid"])
    command = " ".join(map(_quote, document["words"]))
    if not whole and len(command) > _SHORT_COMMAND:
        command = f"{command[: _SHORT_COMMAND - 1]}…"
    created = str(metadata.get("createdAt", ""))
    mounts = spec.get("mounts", [])
    age = f"{render_long_age(created, now)} ago"
    return {
        "ID": uid if whole else uid[:_SHORT_ID],
        "Image": spec.get("image") or spec.get("rootfs", ""),
        "Command": f'"{command}"',
        "CreatedAt": f"{created[:19].replace('T', ' ')} +0000 UTC",
        "RunningFor": age,
        "CreatedSince": age,
        "Ports": ", ".join(render_ports(status)),
        "State": find_state(document),
        "Status": render_status(document, now),
        "Names": metadata["name"],
        "Labels": ",".join(f"{name}={value}" for name, value in metadata.get("labels", {}).items()),
        "Mounts": ",".join(mount.get("source") or mount["target"] for mount in mounts),
        "LocalVolumes": str(sum(mount["type"] == "volume" for mount in mounts)),
        "Networks": ",".join(each["name"] for each in status.get("networks", []))
        or spec.get("networkMode", ""),
    }


def _quote(word: str) -> str:
    """Return a word as Docker lists it: in quotes where there is a space in it."""
    return f"'{word}'" if " " in word else word


def render_status(document: Document, now: datetime) -> str:
    """Return `Up 5 minutes (healthy)`, `Exited (0) 3 hours ago` and the like, as Docker words it."""
    status, state = document.get("status", {}), find_state(document)
    if state in ("running", "paused"):
        health = str(status.get("health", {}).get("state", ""))
        note = {"starting": "health: starting"}.get(health, health) if state == "running" else "Paused"
        return f"Up {render_long_age(status.get('startedAt', ''), now)}" + (f" ({note})" if note else "")
    if state in ("exited", "restarting"):
        age = render_long_age(status.get("finishedAt", ""), now)
        return f"{state.capitalize()} ({status.get('exitCode', 0)}) {age} ago"
    return "Removal In Progress" if state == "removing" else state.capitalize()


def _give_labels_keys(
    form: str, rows: Sequence[dict[str, str]], documents: Sequence[Document]
) -> tuple[Mapping[str, str], str]:
    """Give each label that a template asks for by `{{.Label "x"}}` a key of its own; returns titles and template."""
    titles = dict(_TITLES)
    for number, name in enumerate(dict.fromkeys(_LABEL.findall(form))):
        key = f"Label{number}"
        titles[key] = name
        form = re.sub(_LABEL_PATTERN % re.escape(name), "{{." + key + "}}", form)
        for row, document in zip(rows, documents, strict=True):
            row[key] = str(document["metadata"].get("labels", {}).get(name, ""))
    return titles, form
