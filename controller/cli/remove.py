"""rm: containers away."""

import argparse
import sys

from controller.api.v1 import state_pb2
from controller.cli.client import Client, Failure, Missing
from controller.cli.deletion import wait_until_gone
from controller.cli.lifecycle import add_names
from controller.cli.refused_flags import OF_REMOVE, add_refused_flags
from controller.cli.transport import CallFailed


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold rm`."""
    add_names(parser)
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="Kill it first if it runs; no error for one that is not there.",
    )
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove its anonymous volumes too.")
    add_refused_flags(parser, OF_REMOVE, switches=True)


def run_rm(client: Client, options: argparse.Namespace) -> int:
    """Remove containers and wait until nothing of them is left."""
    code = 0
    doomed: list[state_pb2.Key] = []
    for name in options.containers:
        try:
            doomed += _remove(client, name, options)
        except (CallFailed, Failure) as error:
            print(f"hold: {error}", file=sys.stderr)
            if not (options.force and isinstance(error, Missing)):
                code = 1
    wait_until_gone(client, doomed)
    for key in doomed:
        if key.kind == "Container":
            print(key.name)
    return code


def _remove(client: Client, name: str, options: argparse.Namespace) -> list[state_pb2.Key]:
    """Ask for the deletion of a container, with `-v` of its volumes too; returns what is on its way out."""
    container = client.find_container(name)
    request = state_pb2.DeleteRequest(
        keys=[state_pb2.Key(kind="Container", name=container.metadata.name)],
        manager=container.metadata.manager,
        grace_period_s=0.0 if options.force else None,
        idle_only=not options.force,
        anonymous_volumes=options.volumes,
    )
    return [outcome.key for outcome in client.delete(request).outcomes]
