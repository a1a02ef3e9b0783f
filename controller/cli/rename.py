"""rename: a container under another name."""

import argparse

from controller.api.v1 import container_pb2
from controller.cli.client import Client


def add_rename(parser: argparse.ArgumentParser) -> None:
    """Add the words of `hold rename`."""
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("new_name", metavar="NEW_NAME", help="The name that it gets.")


def run_rename(client: Client, options: argparse.Namespace) -> int:
    """Give a container another name while it goes on."""
    request = container_pb2.RenameRequest(container=options.container, new_name=options.new_name)
    client.channel.unary("ContainerService/Rename", request, container_pb2.RenameResponse)
    return 0
