"""logs: what a container wrote."""

import argparse
import re
import sys
from datetime import datetime, timedelta

from controller.api.v1 import container_pb2
from controller.cli.client import Client, Failure
from controller.cli.tables import parse_time, read_now

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
        "-p", "--previous", action="store_true", help="What the process before the present one wrote."
    )
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_logs(client: Client, options: argparse.Namespace) -> int:
    """Print the log; standard output and error stay apart."""
    request = container_pb2.LogsRequest(
        container=options.container, follow=options.follow, previous=options.previous
    )
    if options.tail != "all":
        if not options.tail.isdigit():
            raise Failure(f"--tail {options.tail!r} is not a number of lines")
        request.tail = int(options.tail)
    for name in ("since", "until"):
        if getattr(options, name):
            getattr(request, name).FromDatetime(parse_moment(getattr(options, name)))
    fresh = {"stdout": True, "stderr": True}
    for line in client.channel.stream("ContainerService/Logs", request, container_pb2.LogsResponse):
        stream = sys.stderr if line.stream == "stderr" else sys.stdout
        if options.timestamps and fresh[line.stream]:
            stream.buffer.write(f"{line.at.ToJsonString()} ".encode())
        fresh[line.stream] = line.data.endswith(b"\n")
        stream.buffer.write(line.data)
        stream.buffer.flush()
    return 0


def parse_moment(text: str) -> datetime:
    """Return the time for RFC 3339, seconds since the epoch, or `10m` ago."""
    parts = _AGO.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return read_now() - timedelta(seconds=sum(float(number) * _UNITS_S[unit] for number, unit in parts))
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00")
    except ValueError as error:
        raise Failure(f"{text!r} is not a time: write 2026-01-31T12:00:00Z or 10m") from error
