"""rm: containers away."""

import argparse
import re
import sys

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import FAILED_PRECONDITION, NOT_FOUND, Client, Failure
from controller.cli.declare import wait_until_gone
from controller.cli.lifecycle import add_names
from controller.cli.transport import CallFailed


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold rm`."""
    add_names(parser)
    parser.add_argument("-f", "--force", action="store_true", help="Kill it first if it runs.")
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove its anonymous volumes too.")


def run_rm(client: Client, options: argparse.Namespace) -> int:
    """Remove containers and wait until nothing of them is left."""
    code = 0
    doomed: list[state_pb2.Key] = []
    volumes: list[str] = []
    for name in options.containers:
        try:
            container = _remove(client, name, force=options.force)
            doomed.append(state_pb2.Key(kind="Container", name=container.metadata.name))
            volumes += _list_anonymous(container)
        except (CallFailed, Failure) as error:
            print(f"hold: {error}", file=sys.stderr)
            code = 1
    wait_until_gone(client, doomed)
    for key in doomed:
        print(key.name)
    if options.volumes:
        _remove_volumes(client, volumes)
    return code


def _list_anonymous(container: resource_pb2.Resource) -> list[str]:
    """Return the volumes that `-v TARGET` made for the container: those whose name is 32 hex digits."""
    return [
        mount.source
        for mount in container.container.mounts
        if mount.type == "volume" and re.fullmatch(r"[0-9a-f]{32}", mount.source)
    ]


def _remove_volumes(client: Client, names: list[str]) -> None:
    """Remove volumes that no other container uses."""
    keys = [state_pb2.Key(kind="Volume", name=name) for name in names]
    for key in keys:
        try:
            client.delete(state_pb2.DeleteRequest(keys=[key]))
        except CallFailed as error:
            if error.code not in (NOT_FOUND, FAILED_PRECONDITION):
                raise


def _remove(client: Client, name: str, *, force: bool) -> resource_pb2.Resource:
    container = client.find_container(name)
    key = state_pb2.Key(kind="Container", name=container.metadata.name)
    grace_period_s = 0.0 if force else None
    request = state_pb2.DeleteRequest(
        keys=[key], manager=container.metadata.manager, grace_period_s=grace_period_s, idle_only=not force
    )
    client.delete(request)
    return container
