"""import: an image out of a tar archive of a root file system."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from controller.api.v1 import image_pb2, resource_pb2
from controller.cli.client import Client, Failure

_CHUNK_BYTES = 1 << 20


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold import`."""
    parser.add_argument(
        "archive", metavar="FILE|-", help="Tar archive of a root file system; - is standard input."
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME[:TAG]", help="Name of the image.")
    parser.add_argument(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help="Dockerfile instruction: CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE, VOLUME, LABEL, STOPSIGNAL.",
    )
    parser.add_argument("-m", "--message", default="", help="Note on the image, kept as a label.")
    parser.add_argument("-q", "--quiet", action="store_true", help="Print the image's id only.")


def run_import(client: Client, options: argparse.Namespace) -> int:
    """Send an archive and make an image of it."""
    if not options.name:
        raise Failure("name the image: hold import FILE NAME[:TAG]")
    config = resource_pb2.ImageConfig()
    for change in options.change:
        apply_instruction(config, change)
    labels = {"hold.import.message": options.message} if options.message else {}
    start = image_pb2.ImportStart(name=options.name, config=config, labels=labels)
    call = client.channel.open("ImageService/Import", image_pb2.ImportResponse)
    call.send(image_pb2.ImportRequest(start=start))
    with _open(options.archive) as archive:
        for chunk in _read_chunks(archive):
            call.send(image_pb2.ImportRequest(chunk=chunk))
    call.send(image_pb2.ImportRequest(end=image_pb2.ImportEnd()))
    call.end()
    for answer in call:
        resource = answer.resource
        print(resource.image.source.stored if options.quiet else f"image/{resource.metadata.name} imported")
    return 0


def _open(name: str) -> IO[bytes]:
    if name == "-":
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise Failure(f"{name} can't be read: {(error.strerror or str(error)).lower()}") from error


def _read_chunks(archive: IO[bytes]) -> Iterator[bytes]:
    while chunk := archive.read(_CHUNK_BYTES):
        yield chunk


def apply_instruction(config: resource_pb2.ImageConfig, text: str) -> None:
    """Carry out one Dockerfile instruction on a configuration; Failure when it is not one of those that can be."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    match word.upper():
        case "CMD":
            config.command.Clear()
            config.command.extend(_parse_words(rest))
        case "ENTRYPOINT":
            config.entrypoint.Clear()
            config.entrypoint.extend(_parse_words(rest))
        case "ENV":
            config.environment.update(_parse_pairs(rest))
        case "LABEL":
            config.labels.update(_parse_pairs(rest))
        case "WORKDIR":
            config.working_dir = rest
        case "USER":
            config.user = rest
        case "STOPSIGNAL":
            config.stop_signal = rest
        case "EXPOSE":
            config.exposed_ports.extend(each if "/" in each else f"{each}/tcp" for each in rest.split())
        case "VOLUME":
            config.volumes.extend(_parse_words(rest) if rest.startswith("[") else rest.split())
        case _:
            raise Failure(
                f"{word!r} can't be changed: use CMD, ENTRYPOINT, ENV, LABEL, WORKDIR, USER, EXPOSE, VOLUME or STOPSIGNAL"
            )


def _parse_words(text: str) -> list[str]:
    """Return the words of a JSON array, or a shell that runs the text."""
    if text.startswith("["):
        import json

        try:
            return [str(each) for each in json.loads(text)]
        except ValueError as error:
            raise Failure(f"{text!r} is not a JSON array of words") from error
    return ["/bin/sh", "-c", text] if text else []


def _parse_pairs(text: str) -> dict[str, str]:
    pairs = {}
    words = shlex.split(text)
    if words and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    for word in words:
        name, _, value = word.partition("=")
        pairs[name] = value
    return pairs
