"""The image of a new container: pulled first when it has to be."""

import argparse
import re
import sys
from collections.abc import Callable

from controller.api.v1 import image_pb2, resource_pb2
from controller.cli.client import NOT_FOUND, Client, Failure
from controller.cli.parser import EXIT_DAEMON
from controller.cli.transport import CallFailed

_INVALID_ARGUMENT = 3
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{4,64}")


def add_image_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where the image comes from."""
    parser.add_argument(
        "--pull",
        choices=("missing", "always", "never"),
        default="missing",
        help="When to pull the image from its registry.",
    )
    parser.add_argument(
        "--platform", default="", metavar="OS/ARCHITECTURE", help="Platform of an image that is pulled."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Don't show the pull.")
    parser.add_argument(
        "--disable-content-trust",
        action="store_true",
        default=True,
        help="As it is: signatures are not looked for; =false is refused.",
    )


def spell_image(client: Client, options: argparse.Namespace) -> None:
    """Put a name of the image in place of the beginning of its id, which no registry has to be asked for.

    Failure when the content has no name.
    """
    if options.rootfs or not _ID.fullmatch(options.image) or _has_image(client, options.image):
        return
    request = image_pb2.InspectImageRequest(name=options.image)
    try:
        found = client.channel.unary("ImageService/InspectImage", request, image_pb2.InspectImageResponse)
    except CallFailed as error:
        if error.code == NOT_FOUND:
            return
        raise
    if not found.image.names:
        text = f"image {options.image} has no name: give it one by `hold tag {options.image} NAME`"
        raise Failure(text, code=EXIT_DAEMON)
    options.image = found.image.names[0]


def set_pull_policy(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Write down that nothing may be pulled; what the client pulls by itself needs no words.

    Failure when signatures are asked for, which hold doesn't check.
    """
    if not options.disable_content_trust:
        text = "--disable-content-trust=false: signatures are not checked: name the image by its digest"
        raise Failure(text, code=EXIT_DAEMON)
    if options.pull == "never":
        spec.pull_policy = "never"


def with_image(
    client: Client, options: argparse.Namespace, body: Callable[[], int], *, once: bool = False
) -> int:
    """Carry out `body`, which needs the image; pull it when it is missing, and begin again.

    A body that can be carried out `once` only is preceded by a look, and so is one that mounts images.
    """
    for name in _list_mounted(options) if options.pull != "never" else ():
        if not _has_image(client, name):
            _pull(client, options, name)
    if options.rootfs or options.pull == "never":
        return body()
    needs_look = once or options.platform
    if options.pull == "always" or (needs_look and not _has_image(client, options.image, options.platform)):
        _pull(client, options, options.image, platform=options.platform)
    try:
        return body()
    except CallFailed as error:
        if not lacks_image(error):
            raise
        _pull(client, options, options.image, platform=options.platform)
        return body()


def _list_mounted(options: argparse.Namespace) -> list[str]:
    """Return the images that are to be mounted; the flag itself has been read by now, so that nothing is wrong with it."""
    from controller.model.mount_forms import parse_long_mount

    mounts = map(parse_long_mount, options.mount)
    return [str(fields["source"]) for fields in mounts if fields["type"] == "image"]


def lacks_image(error: CallFailed) -> bool:
    """Tell whether a container was refused for want of its image alone."""
    from controller.cli.wording import list_violations

    if error.code != _INVALID_ARGUMENT:
        return False
    violations = list_violations(error)
    return [field.rpartition(": ")[2] for field, _ in violations] == ["spec.image"] and all(
        "does not exist" in message for _, message in violations
    )


def _has_image(client: Client, name: str, platform: str = "") -> bool:
    """Tell whether the image is there, for the platform if one is named."""
    from controller.model.image_reference import parse_reference

    try:
        familiar = parse_reference(name).complete().familiar
    except ValueError:
        return True  # the daemon says what is wrong with the name
    image = client.find("Image", familiar)
    return image is not None and (not platform or _is_for(image.image_status, platform))


def _is_for(status: resource_pb2.ImageStatus, platform: str) -> bool:
    """Tell whether an image is for a platform; one that says nothing of itself is for any."""
    from controller.model.platforms import make_platform, parse_platform

    try:
        wanted = parse_platform(platform)
    except ValueError as error:
        raise Failure(f"--platform: {error}", code=EXIT_DAEMON) from error
    if not status.architecture:
        return True
    found = make_platform(status.os or "linux", status.architecture)
    return (found.os, found.architecture) == (wanted.os, wanted.architecture)


def _pull(client: Client, options: argparse.Namespace, name: str, *, platform: str = "") -> None:
    from controller.cli.pull import make_pull_request, pull, read_reference

    reference = read_reference(name).complete()
    if options.pull == "missing" and not options.quiet:
        print(f"Image {reference.familiar} is not here: it is pulled", file=sys.stderr, flush=True)
    request = make_pull_request(reference, platform=platform)
    pull(client, request, sys.stderr, quiet=options.quiet)
