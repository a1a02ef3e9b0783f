"""What of a run a client takes part in: the streams of `--attach`, and the file of `--cidfile`."""

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.cli.client import Failure
from controller.cli.parser import EXIT_DAEMON

STREAMS = ("stdin", "stdout", "stderr")


def add_attach_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--attach`."""
    parser.add_argument(
        "-a",
        "--attach",
        action="append",
        default=[],
        metavar="STREAM",
        help="Only these: stdin, stdout, stderr; all but stdin by default.",
    )


def add_id_file_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--cidfile`."""
    parser.add_argument("--cidfile", default="", metavar="FILE", help="New file to write the id to.")


def choose_streams(options: argparse.Namespace) -> frozenset[str]:
    """Return the streams that the client takes part in."""
    streams = read_streams(options.attach)
    if not streams:
        return frozenset(("stdout", "stderr", *(("stdin",) if options.interactive else ())))
    if options.detach:
        raise Failure("--attach and --detach contradict each other: leave one out", code=EXIT_DAEMON)
    # As with Docker, standard input is nothing to the process without --interactive.
    return streams if options.interactive else streams - {"stdin"}


def read_streams(texts: list[str]) -> frozenset[str]:
    """Return the streams that `--attach` names; Failure for one that no process has."""
    streams = frozenset(text.lower() for text in texts)
    unknown = ", ".join(sorted(streams - set(STREAMS)))
    if unknown:
        raise Failure(f"--attach {unknown}: write stdin, stdout or stderr", code=EXIT_DAEMON)
    return streams


@dataclass(slots=True)
class IdFile:
    """A file for a container's id."""

    path: Path | None
    is_written: bool = False

    def write(self, uid: str) -> None:
        """Write the id, if there is a file for it."""
        if self.path is not None:
            self.path.write_text(uid)
            self.is_written = True


@contextlib.contextmanager
def reserved_id_file(path: str) -> Iterator[IdFile]:
    """Give the file, made now, so that no other run has it; one that no id was written to is removed in the end."""
    if not path:
        yield IdFile(None)
        return
    file = IdFile(Path(path))
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError as error:
        message = f"--cidfile: {path} is there already: remove it, if its container is not needed"
        raise Failure(message, code=EXIT_DAEMON) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"--cidfile: {path} can't be written: {reason}", code=EXIT_DAEMON) from error
    try:
        yield file
    finally:
        if not file.is_written:
            Path(path).unlink(missing_ok=True)
