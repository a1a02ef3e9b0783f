"""pull: an image from a registry."""

import argparse
import sys
from typing import IO

from controller.api.v1 import registry_pb2
from controller.cli.client import Client, Failure
from controller.cli.progress import choose_display
from controller.model.image_reference import ImageReference, parse_reference
from controller.model.platforms import parse_platform


def add_pull(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold pull`."""
    parser.add_argument("name", metavar="NAME[:TAG|@DIGEST]", help="Image, with its registry if need be.")
    parser.add_argument("-a", "--all-tags", action="store_true", help="Pull every tag of the repository.")
    parser.add_argument(
        "--platform", default="", metavar="OS/ARCHITECTURE", help="Platform; this machine's by default."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Print the image's name only.")


def run_pull(client: Client, options: argparse.Namespace) -> int:
    """Pull an image and show its layers on their way."""
    reference = read_reference(options.name)
    request = make_pull_request(reference, platform=options.platform)
    request.all_tags = options.all_tags
    for image in pull(client, request, sys.stdout, quiet=options.quiet):
        name = image.resource.metadata.name
        if not options.quiet:
            print(f"Digest: {image.digest}")
            change = "Downloaded newer image for" if image.newer else "Image is up to date for"
            print(f"Status: {change} {name}")
        print(parse_reference(name), flush=True)
    return 0


def make_pull_request(reference: ImageReference, *, platform: str) -> registry_pb2.PullImageRequest:
    """Return the request for an image, with the login that is kept for its registry."""
    try:
        parse_platform(platform or "linux/amd64")
    except ValueError as error:
        raise Failure(f"--platform: {error}") from error
    return registry_pb2.PullImageRequest(
        reference=str(reference), platform=platform, credential=find_login(reference.registry)
    )


def pull(
    client: Client, request: registry_pb2.PullImageRequest, stream: IO[str], *, quiet: bool
) -> "list[registry_pb2.PulledImage]":
    """Pull and show the layers on `stream`; returns the images as they are then."""
    display = choose_display(stream, quiet=quiet)
    call = client.channel.stream("RegistryService/PullImage", request, registry_pb2.PullImageResponse)
    images: list[registry_pb2.PulledImage] = []
    try:
        for answer in call:
            if answer.HasField("image"):
                images.append(answer.image)
            elif answer.HasField("layer"):
                display.show(answer.layer)
            else:
                display.begin(f"{answer.begun}: pulling")
    finally:
        display.end()
    return images


def read_reference(text: str) -> ImageReference:
    """Return what a word names; Failure says what is wrong with it."""
    try:
        return parse_reference(text)
    except ValueError as error:
        raise Failure(str(error)) from error


def find_login(registry: str) -> registry_pb2.RegistryCredential | None:
    """Return the login that Docker's configuration keeps for a registry, None when there is none."""
    from controller.cli.credentials import find_credentials

    try:
        found = find_credentials(registry)
    except Failure as error:
        print(f"hold: {error}; going on without a login", file=sys.stderr)
        return None
    if found is None:
        return None
    return registry_pb2.RegistryCredential(
        username=found.username,
        password=found.password,
        identity_token=found.identity_token,
        registry_token=found.registry_token,
    )
