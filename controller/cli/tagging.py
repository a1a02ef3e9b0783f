"""tag: a further name for an image."""

import argparse

from controller.api.v1 import image_pb2
from controller.cli.client import Client


def add_tag(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold tag`."""
    parser.add_argument("source", metavar="IMAGE", help="Name of an image, or the beginning of its id.")
    parser.add_argument("target", metavar="NAME[:TAG]", help="The new name.")
    parser.add_argument(
        "-f", "--force", action="store_true", help="Also take the name over from another manager."
    )


def run_tag(client: Client, options: argparse.Namespace) -> int:
    """Make the name; one that is there gets the content."""
    request = image_pb2.TagImageRequest(source=options.source, target=options.target, force=options.force)
    client.channel.unary("ImageService/TagImage", request, image_pb2.TagImageResponse)
    return 0
