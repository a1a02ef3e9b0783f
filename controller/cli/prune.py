"""container prune: removes what has ended."""

import argparse
import re
import sys
from collections.abc import Iterable
from datetime import datetime

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure, Resources
from controller.cli.declare import wait_until_gone
from controller.cli.logs import parse_moment
from controller.cli.tables import parse_time

_FILTERS = "until=TIME, label=NAME[=VALUE] or label!=NAME[=VALUE]"


def add_container_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold container prune`."""
    parser.add_argument("-f", "--force", action="store_true", help="Do not ask.")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {_FILTERS}."
    )


def run_container_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove the containers that have ended and that hold's own command line made."""
    chosen = [each for each in client.list_all("Container") if is_prunable(each, options.filter)]
    if not options.force and not confirm("This removes every container that does not run."):
        raise Failure("nothing was removed")
    keys = [state_pb2.Key(kind="Container", name=each.metadata.name) for each in chosen]
    if keys:
        client.delete(state_pb2.DeleteRequest(keys=keys, idle_only=True))
        wait_until_gone(client, keys)
    print_removed(chosen)
    return 0


def print_removed(resources: Resources) -> None:
    """Print the ids of what was removed, as Docker does."""
    if resources:
        print("Deleted Containers:", *(each.metadata.uid for each in resources), sep="\n")
    else:
        print("nothing to remove")


def confirm(warning: str) -> bool:
    """Ask the person at the terminal; False when nobody is there."""
    print(f"{warning}\nGo on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_prunable(container: resource_pb2.Resource, filters: Iterable[str]) -> bool:
    """Tell whether a container has ended, stays ended, is the command line's own and passes the filters.

    One that a manifest declares is left alone: it would only be made again.
    """
    metadata, spec, phase = container.metadata, container.container, container.container_status.phase
    stays = spec.desired == "stopped" or (phase == "Failed" and spec.restart.name in ("", "no"))
    is_done = phase == "Exited" or (stays and phase in ("", "Pending", "Failed"))
    is_ours = metadata.manager == "cli" and not metadata.HasField("deleted_at")
    return is_done and is_ours and all(_passes(metadata, text) for text in filters)


def _passes(metadata: resource_pb2.Metadata, text: str) -> bool:
    match = re.fullmatch(r"(until|label)(!?)=([^=]+)(?:=(.*))?", text)
    if match is None or (match[1] == "until" and match[2]):
        raise Failure(f"--filter {text!r}: write {_FILTERS}")
    key, negated, name, value = match.groups()
    if key == "until":
        return _read_creation(metadata) < parse_moment(name)
    found = name in metadata.labels and value in (None, metadata.labels[name])
    return found is not bool(negated)


def _read_creation(metadata: resource_pb2.Metadata) -> datetime:
    return parse_time(metadata.created_at.ToJsonString())
