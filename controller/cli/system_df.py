"""system df: how much disk images, containers and volumes take."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from controller.api.v1 import system_pb2
from controller.cli.client import Client, Failure
from controller.cli.image_filters import split_name
from controller.cli.images import shorten_id
from controller.cli.listing import Listing, Row, add_format_flag, print_lines
from controller.cli.tables import read_now, render_long_age, render_size

_TYPES = {"Image": "Images", "Container": "Containers", "Volume": "Local Volumes"}
_TOTALS = Listing(
    titles={
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    },
    shown=("Type", "TotalCount", "Active", "Size", "Reclaimable"),
)
_IMAGES = Listing(
    titles={
        "Repository": "REPOSITORY",
        "Tag": "TAG",
        "ID": "IMAGE ID",
        "CreatedSince": "CREATED",
        "Size": "SIZE",
        "SharedSize": "SHARED SIZE",
        "UniqueSize": "UNIQUE SIZE",
        "Containers": "CONTAINERS",
    },
    shown=("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"),
)
_CONTAINERS = Listing(
    titles={
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Command": "COMMAND",
        "LocalVolumes": "LOCAL VOLUMES",
        "Size": "SIZE",
        "WritableSize": "WRITABLE SIZE",
        "CreatedSince": "CREATED",
        "Status": "STATUS",
        "Names": "NAMES",
    },
    shown=("ID", "Image", "Command", "LocalVolumes", "Size", "CreatedSince", "Status", "Names"),
)
_VOLUMES = Listing(
    titles={"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}, shown=("Name", "Links", "Size")
)
_NONE = "<none>"
_LONGEST_COMMAND = 20
_SHORT_ID = 12


def add_system_df(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold system df`."""
    parser.add_argument("-v", "--verbose", action="store_true", help="Tell it of each object.")
    add_format_flag(parser)


def run_system_df(client: Client, options: argparse.Namespace) -> int:
    """Print what lies on disk, as du counts it."""
    request = system_pb2.GetDiskUsageRequest()
    answer = client.channel.unary("SystemService/GetDiskUsage", request, system_pb2.GetDiskUsageResponse)
    if not options.verbose:
        print_lines(_TOTALS.render(describe_totals(answer), options.format))
        return 0
    now = read_now()
    parts: Sequence[tuple[str, str, Listing, list[Row]]] = (
        ("Images", "Images space usage:", _IMAGES, describe_images(answer, now)),
        ("Containers", "Containers space usage:", _CONTAINERS, describe_containers(answer, now)),
        ("Volumes", "Local Volumes space usage:", _VOLUMES, describe_volumes(answer)),
    )
    if options.format == "json":
        print(
            json.dumps({name: [dict(row) for row in rows] for name, _, _, rows in parts}, ensure_ascii=False)
        )
    elif options.format not in ("", "table"):
        raise Failure("-v has three tables: use --format json, or a template without -v")
    else:
        print("\n\n".join(f"{title}\n\n{listing.render(rows, '')}" for _, title, listing, rows in parts))
    return 0


def describe_totals(answer: system_pb2.GetDiskUsageResponse) -> list[Row]:
    """Return a row for each kind."""
    rows: list[Row] = []
    for total in answer.totals:
        reclaimable = _render_size(total.reclaimable_bytes)
        if total.size_bytes:
            reclaimable += f" ({100 * total.reclaimable_bytes // total.size_bytes}%)"
        rows.append(
            {
                "Type": _TYPES.get(total.kind, total.kind),
                "TotalCount": str(total.total),
                "Active": str(total.active),
                "Size": _render_size(total.size_bytes),
                "Reclaimable": reclaimable,
            }
        )
    return rows


def describe_images(answer: system_pb2.GetDiskUsageResponse, now: datetime) -> list[Row]:
    """Return a row for each image, by its first name."""
    rows: list[Row] = []
    for image in answer.images:
        repository, tag = split_name(image.names[0]) if image.names else (_NONE, _NONE)
        rows.append(
            {
                "Repository": repository,
                "Tag": tag,
                "ID": shorten_id(image.id),
                "CreatedSince": _render_age(image, now),
                "Size": _render_size(image.size_bytes),
                "SharedSize": _render_size(image.shared_bytes),
                "UniqueSize": _render_size(image.size_bytes - image.shared_bytes),
                "Containers": str(len(image.containers)),
            }
        )
    return rows


def describe_containers(answer: system_pb2.GetDiskUsageResponse, now: datetime) -> list[Row]:
    """Return a row for each container."""
    rows: list[Mapping[str, str]] = []
    for container in answer.containers:
        command = " ".join(container.command)
        if len(command) > _LONGEST_COMMAND:
            command = command[: _LONGEST_COMMAND - 1] + "…"
        rows.append(
            {
                "ID": container.uid[:_SHORT_ID],
                "Image": container.image,
                "Command": f'"{command}"',
                "LocalVolumes": str(container.volumes),
                "Size": _render_size(container.size_bytes),
                "WritableSize": _render_size(container.writable_bytes),
                "CreatedSince": _render_age(container, now),
                "Status": container.phase,
                "Names": container.name,
            }
        )
    return rows


def describe_volumes(answer: system_pb2.GetDiskUsageResponse) -> list[Row]:
    """Return a row for each volume."""
    return [
        {"Name": each.name, "Links": str(len(each.containers)), "Size": _render_size(each.size_bytes)}
        for each in answer.volumes
    ]


def _render_age(usage: system_pb2.ImageDiskUsage | system_pb2.ContainerDiskUsage, now: datetime) -> str:
    if not usage.HasField("created_at"):
        return "N/A"
    return f"{render_long_age(usage.created_at.ToJsonString(), now)} ago"


def _render_size(size_bytes: int) -> str:
    return render_size(size_bytes, digits=4)
