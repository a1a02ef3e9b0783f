"""load, save: images from and to archives that Docker, Podman and skopeo know."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO

from controller.api.v1 import archive_pb2
from controller.cli.client import Client, Failure

_CHUNK_BYTES = 1 << 20


def add_load(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold load`."""
    parser.add_argument(
        "-i", "--input", default="-", metavar="FILE", help="Archive to read; standard input by default."
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="Print the names only, which is always done."
    )
    parser.add_argument("-f", "--force", action="store_true", help="Take names over from other managers.")


def run_load(client: Client, options: argparse.Namespace) -> int:
    """Send an archive; what is in it, the daemon finds out."""
    with open_input(options.input) as archive:
        call = client.channel.open("ArchiveService/LoadImages", archive_pb2.LoadImagesResponse)
        call.send(archive_pb2.LoadImagesRequest(start=archive_pb2.LoadImagesStart(force=options.force)))
        for chunk in read_chunks(archive):
            call.send(archive_pb2.LoadImagesRequest(chunk=chunk))
    call.send(archive_pb2.LoadImagesRequest(end=archive_pb2.LoadImagesEnd()))
    call.end()
    for answer in call:
        for image in answer.images:
            lines = [f"Loaded image: {name}" for name in image.names] or [f"Loaded image ID: {image.id}"]
            print("\n".join(lines))
    return 0


def open_input(name: str) -> AbstractContextManager[IO[bytes]]:
    """Return an archive to read: a file, or - for standard input. Failure."""
    if name == "-":
        if sys.stdin.isatty():
            raise Failure("standard input is a terminal: send an archive by < FILE, or name one by --input")
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise Failure(f"{name} can't be read: {(error.strerror or str(error)).lower()}") from error


def read_chunks(archive: IO[bytes]) -> Iterator[bytes]:
    """Yield an archive in pieces; Failure when it breaks off."""
    try:
        while chunk := archive.read(_CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise Failure(f"the archive can't be read to its end: {error}") from error


def add_save(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold save`."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="Name of an image, or the beginning of its id."
    )
    parser.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="File to write; standard output by default."
    )


def run_save(client: Client, options: argparse.Namespace) -> int:
    """Write an archive; a file gets its name when it is whole."""
    request = archive_pb2.SaveImagesRequest(names=options.images)
    with open_output(options.output) as output:
        for answer in client.channel.stream(
            "ArchiveService/SaveImages", request, archive_pb2.SaveImagesResponse
        ):
            output.write(answer.chunk)
        output.flush()
    return 0


@contextmanager
def open_output(name: str) -> Iterator[IO[bytes]]:
    """Give a file to write, which gets its name when it is whole, or standard output for -. Failure."""
    if name == "-":
        if sys.stdout.isatty():
            raise Failure("an archive is nothing for a terminal: name a file by --output, or send it on by |")
        yield sys.stdout.buffer
        return
    path = Path(name)
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    partial_path = path.with_name(f".{path.name}.partial")
    try:
        with partial_path.open("wb") as file:
            yield file
        partial_path.replace(path)
    except OSError as error:
        raise Failure(f"{name} can't be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        partial_path.unlink(missing_ok=True)
