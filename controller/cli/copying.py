"""cp: files between a container and this machine, by Docker's rules."""

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

from controller.api.v1 import container_pb2
from controller.cli.client import Client, Failure
from controller.cli.copy_streams import CHUNK_BYTES, Received, putting
from controller.errors import HoldError
from controller.trees.landing import Source, Target, asks_for_contents, asks_for_directory, choose_landing
from controller.trees.paths import located, open_descriptors, open_local_directory
from controller.trees.planter import Ground, Planter, Rules, open_below
from controller.trees.writer import TreeWriter


class Address(NamedTuple):
    """One side of a copy; a container of its own, or this machine when that is empty."""

    container: str
    path: str


def add_cp(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold cp`."""
    parser.add_argument("-a", "--archive", action="store_true", help="Keep users and groups.")
    parser.add_argument(
        "-L", "--follow-link", action="store_true", help="Copy what a link at SOURCE leads to, not the link."
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Do not tell how much was copied.")
    parser.add_argument("source", metavar="SOURCE", help="CONTAINER:PATH, a path here, or - for an archive.")
    parser.add_argument("target", metavar="TARGET", help="CONTAINER:PATH, a path here, or - for an archive.")


def run_cp(client: Client, options: argparse.Namespace) -> int:
    """Copy one way or the other."""
    source, target = parse_address(options.source), parse_address(options.target)
    if bool(source.container) == bool(target.container):
        raise Failure(
            "copying between two containers is not possible: copy to this machine first"
            if source.container
            else "one of the two must be in a container: write CONTAINER:PATH"
        )
    try:
        with _told_plainly():
            count = (
                _copy_out(client, source, target, options)
                if source.container
                else _copy_in(client, source, target, options)
            )
    except HoldError as error:
        raise Failure(error.message) from error
    if not options.quiet and options.target != "-":
        from controller.cli.tables import render_size

        print(f"copied {render_size(count)} to {options.target}", file=sys.stderr)
    return 0


def parse_address(text: str) -> Address:
    """Return what an argument means; a path with a colon is one of this machine when it begins with `/` or `.`."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")):
        return Address("", text)
    if not name or not path:
        raise Failure(f"{text!r}: write CONTAINER:PATH")
    return Address(name, path)


@contextlib.contextmanager
def _told_plainly() -> Iterator[None]:
    """Say in one line what this machine's file system refuses."""
    try:
        yield
    except BrokenPipeError:
        raise
    except UnicodeEncodeError as error:
        raise Failure(f"{os.fsencode(str(error.object))!r}: a path has to be UTF-8 to be sent") from error
    except OSError as error:
        raise Failure(f"{error.filename or 'here'}: {(error.strerror or str(error)).lower()}") from error


def _copy_in(client: Client, source: Address, target: Address, options: argparse.Namespace) -> int:
    """Copy from here, or from standard input, into a container; returns the bytes of the archive."""
    start = container_pb2.PutArchiveStart(
        container=target.container, path=target.path, keep_owner=options.archive
    )
    if source.path == "-":
        return _send_input(client, start)
    with located(source.path, open_local_directory, follow=options.follow_link) as place:
        if place.status is None:
            raise Failure(f"{source.path} does not exist")
        if asks_for_directory(source.path) and not place.is_directory:
            raise Failure(f"{source.path} is not a directory: leave the slash out")
        start.name = os.path.basename(os.path.abspath(source.path)) or "root"  # noqa: PTH100, PTH119 - of a text
        start.is_directory, start.contents = place.is_directory, asks_for_contents(source.path)
        with putting(client, start) as sink, _descriptors() as descriptors_fd:
            writer = TreeWriter(sink, descriptors_fd)
            writer.add(place.directory_fd, place.name, start.name)
            writer.close()
        return sink.count_bytes


def _send_input(client: Client, start: container_pb2.PutArchiveStart) -> int:
    if sys.stdin.isatty():
        raise Failure("- wants an archive on standard input, not a terminal")
    with putting(client, start) as sink:
        while data := sys.stdin.buffer.read(CHUNK_BYTES):
            sink.write(data)
    return sink.count_bytes


@contextlib.contextmanager
def _descriptors() -> Iterator[int]:
    descriptors_fd = open_descriptors()
    try:
        yield descriptors_fd
    finally:
        os.close(descriptors_fd)


def _copy_out(client: Client, source: Address, target: Address, options: argparse.Namespace) -> int:
    """Copy from a container to here, or to standard output; returns the bytes of the archive."""
    request = container_pb2.ArchiveRequest(
        container=source.container, path=source.path, follow_link=options.follow_link
    )
    if target.path == "-" and sys.stdout.isatty():
        raise Failure("- writes an archive: send standard output to a file or a program")
    answers = iter(client.channel.stream("ContainerService/Archive", request, container_pb2.ArchiveResponse))
    found = next(answers).stat
    received = Received(answers)
    if target.path == "-":
        while data := received.read():
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return received.count_bytes
    what = Source(found.name, stat.S_ISDIR(found.mode), contents=asks_for_contents(source.path))
    owner = None if options.archive and os.geteuid() == 0 else False
    _plant(received, what, target.path, owner=owner)
    return received.count_bytes


def _plant(received: Received, source: Source, path: str, *, owner: bool | None) -> None:
    """Unpack what was received where Docker's rules say; nothing beside what is copied is followed or touched."""
    try:
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(located(path, open_local_directory, follow=True))
            target = Target(path, exists=place.status is not None, is_directory=place.is_directory)
            landing = choose_landing(source, target)
            directory_fd, name = place.directory_fd, landing.name
            if not landing.inside:
                name = place.name
            elif place.name != ".":
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                directory_fd = os.open(place.name, flags, dir_fd=place.directory_fd)
                stack.callback(os.close, directory_fd)
            descriptors_fd = stack.enter_context(_descriptors())
            ground = Ground(directory_fd, lambda inner: open_below(directory_fd, inner), descriptors_fd)
            planter = Planter(ground, Rules(name, owner))
            stack.callback(planter.close)
            planter.plant(cast("IO[bytes]", received))
    except FileNotFoundError as error:
        raise Failure(f"the directory of {path} does not exist") from error
    while received.read():
        continue
