"""container diff, export: what a container has of its own, and all it has."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from controller.api.v1 import container_pb2
from controller.cli.client import Client, Failure


def add_container_diff(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold container diff`."""
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_container_diff(client: Client, options: argparse.Namespace) -> int:
    """List what a container added, changed, deleted."""
    return show_changes(client, options.container)


def show_changes(client: Client, name: str) -> int:
    """Print a line for each change: A added, C changed, D deleted."""
    request = container_pb2.DiffRequest(container=name)
    answer = client.channel.unary("ContainerService/Diff", request, container_pb2.DiffResponse)
    plain = sys.stdout.isatty()
    for change in answer.changes:
        print(f"{change.kind} {_disarm(change.path) if plain else change.path}")
    return 0


def _disarm(path: str) -> str:
    """Return a path without what a terminal would take for a command: it is the container that chose it."""
    return "".join(each if each.isprintable() else "?" for each in path)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold export`."""
    parser.add_argument(
        "-o", "--output", default="", metavar="FILE", help="Write there, not to standard output."
    )
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_export(client: Client, options: argparse.Namespace) -> int:
    """Write all files of a container as a tar archive."""
    if not options.output and sys.stdout.isatty():
        raise Failure("an archive is nothing for a terminal: write -o FILE, or send it to a program")
    request = container_pb2.ExportRequest(container=options.container)
    answers = iter(client.channel.stream("ContainerService/Export", request, container_pb2.ExportResponse))
    first = next(answers)
    with _opened(options.output) as file:
        file.write(first.chunk)
        for answer in answers:
            file.write(answer.chunk)
    return 0


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Give the file to write to; one that is not whole at the end of the block is removed."""
    if not path:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with Path(path).open("wb") as file, contextlib.ExitStack() as undo:
            if Path(path).is_file():
                undo.callback(Path(path).unlink)
            yield file
            undo.pop_all()
    except OSError as error:
        raise Failure(f"{path} can't be written: {(error.strerror or str(error)).lower()}") from error
