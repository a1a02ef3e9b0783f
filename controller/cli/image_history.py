"""image history: the steps that an image was built in."""

import argparse
from collections.abc import Iterator, Mapping
from datetime import datetime

from controller.api.v1 import image_pb2
from controller.cli.client import Client
from controller.cli.images import shorten_id
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.tables import read_now, render_long_age, render_size

_MISSING = "<missing>"
_LONGEST_STEP = 45
_SECONDS = len("2026-01-01T00:00:00")
_LISTING = Listing(
    titles={
        "ID": "IMAGE",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "Size": "SIZE",
        "Comment": "COMMENT",
    },
    shown=("ID", "CreatedSince", "CreatedBy", "Size", "Comment"),
)


def add_image_history(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold image history`."""
    parser.add_argument("image", metavar="IMAGE", help="Name of the image, or the beginning of its id.")
    add_history_flags(parser)


def add_history_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how steps are printed."""
    parser.add_argument("--no-trunc", action="store_true", help="Print whole ids and steps.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print ids only.")
    parser.add_argument(
        "-H",
        "--human",
        action="store_true",
        default=True,
        help="Print ages and sizes for people; the default.",
    )
    add_format_flag(parser)


def run_image_history(client: Client, options: argparse.Namespace) -> int:
    """Print the steps, the latest first."""
    print_history(client, options.image, options)
    return 0


def print_history(client: Client, image: str, options: argparse.Namespace) -> None:
    """Print the steps of an image by the flags of `add_history_flags`."""
    request = image_pb2.InspectImageRequest(name=image)
    answer = client.channel.unary("ImageService/InspectImage", request, image_pb2.InspectImageResponse)
    rows = list(describe_steps(answer, read_now(), whole=options.no_trunc, human=options.human))
    if options.quiet:
        print_lines("\n".join(row["ID"] for row in rows))
    else:
        form = (
            "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
            if not options.human
            else ""
        )
        print_lines(_LISTING.render(rows, options.format or form))


def describe_steps(
    answer: image_pb2.InspectImageResponse, now: datetime, *, whole: bool, human: bool
) -> Iterator[Mapping[str, str]]:
    """Yield a row for each step; only the latest is an image that can be named."""
    image_id = answer.image.id if whole else shorten_id(answer.image.id)
    for place, step in enumerate(answer.history):
        created = step.created_at.ToJsonString() if step.HasField("created_at") else ""
        created_by = step.created_by.replace("\t", " ")
        if not whole and len(created_by) > _LONGEST_STEP:
            created_by = created_by[: _LONGEST_STEP - 1] + "…"
        yield {
            "ID": _MISSING if place else image_id,
            "CreatedSince": f"{render_long_age(created, now)} ago" if created else "N/A",
            "CreatedAt": f"{created[:_SECONDS]}Z" if created else "N/A",
            "CreatedBy": created_by,
            "Size": render_size(step.size_bytes) if human else str(step.size_bytes),
            "Comment": step.comment,
        }
