"""commit: an image out of a container."""

import argparse

from controller.api.v1 import container_pb2, resource_pb2
from controller.cli.client import Client
from controller.cli.instructions import KNOWN, apply_instruction


def add_commit(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold commit`."""
    parser.add_argument("-a", "--author", default="", help="Who made the image.")
    parser.add_argument("-m", "--message", default="", help="Note on the image.")
    parser.add_argument(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help=f"Dockerfile instruction: {KNOWN}.",
    )
    parser.add_argument(
        "-p",
        "--pause",
        action="store_true",
        default=True,
        help="Freeze the container's processes meanwhile, which is done; --pause=false leaves them running.",
    )
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("name", nargs="?", default="", metavar="NAME[:TAG]", help="Name of the image.")


def run_commit(client: Client, options: argparse.Namespace) -> int:
    """Make an image of a container and print its id."""
    config = resource_pb2.ImageConfig()
    for change in options.change:
        apply_instruction(config, change)
    request = container_pb2.CommitRequest(
        container=options.container,
        name=options.name,
        author=options.author,
        message=options.message,
        pause=options.pause,
        config=config,
    )
    print(client.channel.unary("ContainerService/Commit", request, container_pb2.CommitResponse).id)
    return 0
