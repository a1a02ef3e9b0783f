"""import: an image out of a tar archive of a root file system."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from controller.api.v1 import image_pb2, resource_pb2
from controller.cli.client import Client, Failure
from controller.cli.instructions import KNOWN, apply_instruction

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold import`."""
    parser.add_argument(
        "archive",
        metavar="FILE|URL|-",
        help="Tar archive of a root file system, packed or not; - is standard input.",
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME[:TAG]", help="Name of the image.")
    parser.add_argument(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help=f"Dockerfile instruction: {KNOWN}.",
    )
    parser.add_argument("-m", "--message", default="", help="Note on the image, for its history.")
    parser.add_argument(
        "--platform",
        default="",
        metavar="OS/ARCHITECTURE",
        help="What its programs are for; this machine by default.",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="Print the image's id only, which is always done."
    )


def run_import(client: Client, options: argparse.Namespace) -> int:
    """Send an archive and make an image of it."""
    if not options.name:
        raise Failure("name the image: hold import FILE NAME[:TAG]")
    config = resource_pb2.ImageConfig()
    for change in options.change:
        apply_instruction(config, change)
    start = image_pb2.ImportStart(
        name=options.name, config=config, message=options.message, platform=options.platform
    )
    with _open(options.archive) as archive:
        call = client.channel.open("ImageService/Import", image_pb2.ImportResponse)
        call.send(image_pb2.ImportRequest(start=start))
        for chunk in _read_chunks(archive):
            call.send(image_pb2.ImportRequest(chunk=chunk))
    call.send(image_pb2.ImportRequest(end=image_pb2.ImportEnd()))
    call.end()
    for answer in call:
        print(answer.resource.image.source.stored)
    return 0


def _open(name: str) -> AbstractContextManager[IO[bytes]]:
    if name == "-":
        if sys.stdin.isatty():
            raise Failure("standard input is a terminal: send an archive by < FILE, or name a file")
        return nullcontext(sys.stdin.buffer)
    if name.startswith(("http://", "https://")):
        return _fetch(name)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise Failure(f"{name} can't be read: {(error.strerror or str(error)).lower()}") from error


def _fetch(url: str) -> AbstractContextManager[IO[bytes]]:
    """Return what is at an http or https address, to be read in pieces."""
    import urllib.error
    import urllib.request

    try:
        answer: AbstractContextManager[IO[bytes]] = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 - the caller has checked the scheme
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise Failure(f"{url} can't be fetched: {error}") from error
    return answer


def _read_chunks(archive: IO[bytes]) -> Iterator[bytes]:
    """Yield the archive in pieces. Failure when it breaks off, which leaves nothing behind in the daemon."""
    import http.client

    try:
        while chunk := archive.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"the archive can't be read to its end: {error}") from error
