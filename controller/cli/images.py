"""images, rmi: lists images as Docker does, removes names and content."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from controller.api.v1 import image_pb2, state_pb2
from controller.cli.client import NOT_FOUND, Client, Failure
from controller.cli.deletion import wait_until_gone
from controller.cli.image_filters import KNOWN, choose_images, split_name
from controller.cli.image_inspect import ask
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.tables import read_now, render_long_age, render_size
from controller.cli.transport import CallFailed

_SHORT_ID = 12
_NONE = "<none>"
_TITLES = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "Platform": "PLATFORM",
}
_SHOWN = ("Repository", "Tag", "ID", "CreatedSince", "Size")
_SHOWN_WITH_DIGESTS = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold images`."""
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME[:TAG]", help="Only these; * stands for any text."
    )
    parser.add_argument("-a", "--all", action="store_true", help="All images, which is always done.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print ids only.")
    parser.add_argument("--no-trunc", action="store_true", help="Print whole ids.")
    parser.add_argument("--digests", action="store_true", help="Print the digests of manifests too.")
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {KNOWN}."
    )
    add_format_flag(parser)


def run_images(client: Client, options: argparse.Namespace) -> int:
    """List images as `docker images` does."""
    images = list_images(client)
    chosen = choose_images(images, options.filter, lambda word: _find(images, word), pattern=options.name)
    now = read_now()
    rows = [row for image in chosen for row in describe_image(image, now, whole=options.no_trunc)]
    if options.quiet:
        print_lines("\n".join(row["ID"] for row in rows if row["ID"] != _NONE))
        return 0
    shown = _SHOWN_WITH_DIGESTS if options.digests else _SHOWN
    print_lines(Listing(titles=_TITLES, shown=shown).render(rows, options.format))
    return 0


def list_images(client: Client) -> list[image_pb2.ImageSummary]:
    """Return every image."""
    request = image_pb2.ListImagesRequest()
    return list(client.channel.unary("ImageService/ListImages", request, image_pb2.ListImagesResponse).images)


def _find(images: Iterable[image_pb2.ImageSummary], word: str) -> image_pb2.ImageSummary:
    """Return the image that a filter names, by a name or the beginning of an id."""
    wanted = word.removeprefix("sha256:")
    for image in images:
        if word in image.names or f"{word}:latest" in image.names:
            return image
    found = [image for image in images if len(wanted) > 3 and image.id.startswith(f"sha256:{wanted}")]
    if len(found) != 1:
        raise Failure(f"--filter: image {word} does not exist: `hold images` lists those that do")
    return found[0]


def describe_image(
    image: image_pb2.ImageSummary, now: datetime, *, whole: bool
) -> Iterator[Mapping[str, str]]:
    """Yield a row for each name of an image, one without a name for dangling content."""
    digests = dict(text.rpartition("@")[::2] for text in image.repository_digests)
    created = image.created_at.ToJsonString()
    for name in image.names or [""]:
        repository, tag = split_name(name)
        yield {
            "Repository": repository or _NONE,
            "Tag": _NONE if "@" in name else tag or _NONE,
            "Digest": digests.get(repository, _NONE),
            "ID": (image.id if whole else shorten_id(image.id)) or _NONE,
            "CreatedSince": f"{render_long_age(created, now)} ago",
            "CreatedAt": created.partition(".")[0].removesuffix("Z").replace("T", " ") + " +0000 UTC",
            "Size": render_size(image.size_bytes),
            "Containers": str(len(image.containers)),
            "Platform": "/".join(filter(None, (image.os, image.architecture))),
        }


def shorten_id(image_id: str) -> str:
    """Return the first digits of an id, as people type it."""
    return image_id.removeprefix("sha256:")[:_SHORT_ID]


def add_rmi(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold rmi`."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="Name of the image to remove, or the beginning of its id."
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="All names of an id, and images of other managers too; no error for one that is not there.",
    )
    parser.add_argument(
        "--no-prune", action="store_true", help="Taken for Docker's sake; parents are never removed."
    )


def run_rmi(client: Client, options: argparse.Namespace) -> int:
    """Remove names, and content without any; refused while containers use them."""
    names = _leave_out_missing(client, options.images) if options.force else options.images
    if not names:
        return 0
    request = image_pb2.RemoveImagesRequest(names=names, force=options.force)
    answer = client.channel.unary("ImageService/RemoveImages", request, image_pb2.RemoveImagesResponse)
    wait_until_gone(client, [state_pb2.Key(kind="Image", name=name) for name in answer.untagged])
    for name in answer.untagged:
        print(f"Untagged: {name}")
    for image_id in answer.deleted:
        print(f"Deleted: {image_id}")
    return 0


def _leave_out_missing(client: Client, names: list[str]) -> list[str]:
    """Return the names of images that are there; tells of the others."""
    kept = []
    for name in names:
        try:
            ask(client, name)
            kept.append(name)
        except CallFailed as error:
            if error.code != NOT_FOUND:
                raise
            print(f"hold: {error}", file=sys.stderr)
    return kept
