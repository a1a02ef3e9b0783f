"""logs: what a container wrote."""

import argparse
import itertools
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from controller.api.v1 import container_pb2
from controller.cli.client import NOT_FOUND, Client, Failure
from controller.cli.following import follow
from controller.cli.tables import read_now
from controller.cli.transport import CallFailed

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_logs(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold logs`."""
    parser.add_argument("-f", "--follow", action="store_true", help="Go on with what it writes.")
    parser.add_argument("-n", "--tail", default="all", help="Only the last lines.")
    parser.add_argument("--since", default="", help="Only from this time on: RFC 3339, or 10m ago.")
    parser.add_argument("--until", default="", help="Only up to this time.")
    parser.add_argument("-t", "--timestamps", action="store_true", help="Print the time of each line.")
    parser.add_argument(
        "--details", action="store_true", help="Print the labels, variables and the tag of the log's options."
    )
    parser.add_argument(
        "-p", "--previous", action="store_true", help="What the process before the present one wrote."
    )
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_logs(client: Client, options: argparse.Namespace) -> int:
    """Print the log; standard output and error stay apart."""
    request = container_pb2.LogsRequest(
        container=options.container, follow=options.follow, previous=options.previous, batch=True
    )
    if not re.fullmatch(r"all|-?\d+", options.tail):
        raise Failure(f"--tail {options.tail!r} is not a number of lines")
    if options.tail.isdigit():  # a negative number is all, as with Docker
        request.tail = int(options.tail)
    for name in ("since", "until"):
        if getattr(options, name):
            getattr(request, name).FromDatetime(parse_moment(getattr(options, name)))
    request.details = options.details
    printer = Printer(timestamps=options.timestamps)
    for piece in _follow(client, request) if options.follow else _read(client, request):
        printer.print(piece)
    return 0


class Printer:
    """Prints pieces of a log, with what is asked for before each line; standard output and error stay apart."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._is_fresh = {"stdout": True, "stderr": True}

    def print(self, piece: container_pb2.LogsResponse) -> None:
        """Print a piece."""
        stream = sys.stderr if piece.stream == "stderr" else sys.stdout
        stream.buffer.write(self._mark(piece))
        stream.buffer.flush()

    def _mark(self, piece: container_pb2.LogsResponse) -> bytes:
        if not self._timestamps and not piece.details:
            return piece.data
        words = [piece.at.ToJsonString()] if self._timestamps else []
        if piece.details:
            words.append(",".join(f"{name}={value}" for name, value in sorted(piece.details.items())))
        mark = " ".join([*words, ""]).encode()
        first = mark if self._is_fresh[piece.stream] else b""
        self._is_fresh[piece.stream] = piece.data.endswith(b"\n")
        *lines, last = piece.data.split(b"\n")
        return first + (b"\n" + mark).join([*lines, last] if last else lines) + (b"" if last else b"\n")


def _read(client: Client, request: container_pb2.LogsRequest) -> Iterator[container_pb2.LogsResponse]:
    for answer in client.channel.stream("ContainerService/Logs", request, container_pb2.LogsResponse):
        yield from _split(answer)


def _split(answer: container_pb2.LogsResponse) -> Iterator[container_pb2.LogsResponse]:
    """Yield the pieces of an answer one by one."""
    for piece in answer.pieces:
        yield container_pb2.LogsResponse(
            at=piece.at, stream=piece.stream, data=piece.data, details=answer.details
        )


def _follow(client: Client, request: container_pb2.LogsRequest) -> Iterator[container_pb2.LogsResponse]:
    """Yield lines over restarts of the daemon: from the time of the last one on, without those of it that were told."""
    request.container = client.find_container(request.container).metadata.uid
    told = LastMoment()
    lines = follow(
        client.channel, "ContainerService/Logs", container_pb2.LogsResponse, lambda: told.resume(request)
    )
    try:
        for piece in itertools.chain.from_iterable(map(_split, lines)):
            rest = told.take_new(piece)
            if rest is not None:
                yield rest
    except CallFailed as error:
        if error.code != NOT_FOUND or not told.is_resumed:
            raise


class LastMoment:
    """How much of a log was told: the time of the last piece, and how many bytes of that time."""

    def __init__(self) -> None:
        self._at_ns: int | None = None
        self._told_bytes = 0
        self._skip_bytes = 0
        self._moments = 0
        self._requests = 0

    @property
    def is_resumed(self) -> bool:
        """Whether the log is not read for the first time."""
        return self._requests > 1

    def resume(self, request: container_pb2.LogsRequest) -> container_pb2.LogsRequest:
        """Return the request for what is not told yet, with as little as can be of what is."""
        self._requests += 1
        if self._at_ns is None:
            return request
        again = container_pb2.LogsRequest()
        again.CopyFrom(request)
        again.ClearField("tail")
        again.since.FromNanoseconds(self._at_ns)
        # Of the first moment only the last lines were asked for: there is no telling how many bytes come before them.
        is_cut = request.HasField("tail") and self._moments == 1
        self._skip_bytes = sys.maxsize if is_cut else self._told_bytes
        return again

    def take_new(self, piece: container_pb2.LogsResponse) -> container_pb2.LogsResponse | None:
        """Take in a piece; returns what of it is to be told, if anything is.

        Pieces of one time come in the same order again, but not always cut at the same places.
        """
        at_ns = piece.at.ToNanoseconds()
        if at_ns != self._at_ns:
            self._at_ns, self._told_bytes, self._skip_bytes = at_ns, 0, 0
            self._moments += 1
        told = min(self._skip_bytes, len(piece.data))
        self._skip_bytes -= told
        self._told_bytes += len(piece.data) - told
        if told == len(piece.data):
            return None
        rest = container_pb2.LogsResponse()
        rest.CopyFrom(piece)
        rest.data = piece.data[told:]
        return rest


def parse_moment(text: str) -> datetime:
    """Return the time for RFC 3339 (without a zone, that of this machine), seconds since 1970, or `10m` ago."""
    parts = _AGO.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return read_now() - timedelta(seconds=sum(float(number) * _UNITS_S[unit] for number, unit in parts))
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Failure(f"{text!r} is not a time: write 2026-01-31T12:00:00Z or 10m") from error
