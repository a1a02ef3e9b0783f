"""stats: what containers use, as a table that goes on."""

import argparse
import sys
from collections.abc import Iterable, Mapping

from controller.api.v1 import container_pb2
from controller.cli.client import Client
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.tables import render_size

_SHORT_ID = 12
_NONE = "--"
_CLEAR = "\x1b[H\x1b[J"
_LISTING = Listing(
    titles={
        "ID": "CONTAINER ID",
        "Container": "CONTAINER",
        "Name": "NAME",
        "CPUPerc": "CPU %",
        "MemUsage": "MEM USAGE / LIMIT",
        "MemPerc": "MEM %",
        "NetIO": "NET I/O",
        "BlockIO": "BLOCK I/O",
        "PIDs": "PIDS",
    },
    shown=("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"),
)
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB")


def add_stats(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold stats`."""
    parser.add_argument("-a", "--all", action="store_true", help="Also containers that do not run.")
    parser.add_argument("--no-stream", action="store_true", help="Show the present moment and end.")
    parser.add_argument("--no-trunc", action="store_true", help="Print whole ids.")
    add_format_flag(parser)
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help="Only these.")


def run_stats(client: Client, options: argparse.Namespace) -> int:
    """Show what containers use; once a second until interrupted."""
    request = container_pb2.StatsRequest(
        containers=options.containers, all=options.all, once=options.no_stream
    )
    live = sys.stdout.isatty() and not options.no_stream
    for answer in client.channel.stream("ContainerService/Stats", request, container_pb2.StatsResponse):
        rows = describe_usage(answer.containers, whole=options.no_trunc)
        text = _LISTING.render(rows, options.format)
        print_lines(f"{_CLEAR}{text}" if live else text)
        sys.stdout.flush()
    return 0


def describe_usage(usages: Iterable[container_pb2.ContainerUsage], *, whole: bool) -> list[Mapping[str, str]]:
    """Return a row for each container, by name."""
    return [_describe(each, whole=whole) for each in sorted(usages, key=lambda each: each.container)]


def _describe(usage: container_pb2.ContainerUsage, *, whole: bool) -> Mapping[str, str]:
    row = {
        "ID": usage.uid if whole else usage.uid[:_SHORT_ID],
        "Container": usage.container,
        "Name": usage.container,
    }
    if not usage.running:
        pair = f"{_NONE} / {_NONE}"
        return row | {
            "CPUPerc": _NONE, "MemUsage": pair, "MemPerc": _NONE, "NetIO": _NONE, "BlockIO": _NONE, "PIDs": _NONE
        }  # fmt: skip
    share = 100 * usage.memory_bytes / usage.memory_limit_bytes if usage.memory_limit_bytes else 0.0
    return row | {
        "CPUPerc": f"{usage.cpu_percent:.2f}%",
        "MemUsage": f"{_render_binary(usage.memory_bytes)} / {_render_binary(usage.memory_limit_bytes)}",
        "MemPerc": f"{share:.2f}%",
        "NetIO": f"{render_size(usage.network_received_bytes)} / {render_size(usage.network_sent_bytes)}",
        "BlockIO": f"{render_size(usage.block_read_bytes)} / {render_size(usage.block_written_bytes)}",
        "PIDs": str(usage.pids),
    }


def _render_binary(size_bytes: int) -> str:
    """Return `1.5MiB`, as Docker prints memory."""
    size = float(size_bytes)
    for unit in _BINARY_UNITS:
        if size < 1024:
            return f"{size:.4g}{unit}"
        size /= 1024
    return f"{size:.4g}TiB"
