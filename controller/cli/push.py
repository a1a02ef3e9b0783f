"""push: an image to a registry."""

import argparse
import sys

from controller.api.v1 import registry_pb2
from controller.cli.client import Client
from controller.cli.progress import choose_display
from controller.cli.pull import find_login, read_reference


def add_push(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold push`."""
    parser.add_argument("name", metavar="NAME[:TAG]", help="Image; its name says which registry it goes to.")
    parser.add_argument("-a", "--all-tags", action="store_true", help="Push every image of the repository.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print the image's name only.")


def run_push(client: Client, options: argparse.Namespace) -> int:
    """Push an image and show its layers on their way."""
    reference = read_reference(options.name)
    request = registry_pb2.PushImageRequest(
        name=options.name, all_tags=options.all_tags, credential=find_login(reference.registry)
    )
    display = choose_display(sys.stdout, quiet=options.quiet)
    call = client.channel.stream("RegistryService/PushImage", request, registry_pb2.PushImageResponse)
    try:
        for answer in call:
            if answer.HasField("layer"):
                display.show(answer.layer)
            elif answer.HasField("image"):
                display.end()
                _report(answer.image, quiet=options.quiet)
            else:
                display.begin(f"{answer.begun}: pushing")
    finally:
        display.end()
    return 0


def _report(image: registry_pb2.PushedImage, *, quiet: bool) -> None:
    reference = read_reference(image.reference)
    if quiet:
        print(reference, flush=True)
    else:
        print(f"{reference.tag or reference.digest}: digest: {image.digest}", flush=True)
