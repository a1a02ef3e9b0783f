"""volume: ls, create, rm, inspect, prune."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure
from controller.cli.networks import inspect, remove
from controller.cli.tables import render_table


def add_volume(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold volume`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="ls|create|rm|inspect|prune")
    verbs.add_parser("ls", help="List volumes.").add_argument("-q", "--quiet", action="store_true")
    create = verbs.add_parser("create", help="Make a volume.")
    create.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="Label.")
    create.add_argument("name", metavar="VOLUME", help="Name.")
    for verb in ("rm", "inspect"):
        verbs.add_parser(verb, help=f"{verb} volumes.").add_argument("names", nargs="+", metavar="VOLUME")
    prune = verbs.add_parser(
        "prune", help="Remove volumes that no container uses; asks for --all, for names are kept."
    )
    prune.add_argument("-a", "--all", action="store_true", help="Really remove every unused volume.")


def run_volume(client: Client, options: argparse.Namespace) -> int:
    """Carry out the verb."""
    match options.verb:
        case "ls":
            names = [each.metadata.name for each in client.list_all("Volume")]
            print(
                "\n".join(names)
                if options.quiet
                else render_table(["DRIVER", "VOLUME NAME"], [["local", name] for name in names])
            )
        case "create":
            resource = resource_pb2.Resource(
                api_version="hold/v1", kind="Volume", volume=resource_pb2.VolumeSpec()
            )
            resource.metadata.name = options.name
            resource.metadata.labels.update(each.partition("=")[::2] for each in options.label)
            client.create([resource])
            print(options.name)
        case "rm":
            remove(client, "Volume", options.names)
        case "inspect":
            inspect(client, "Volume", options.names)
        case _:
            _prune(client, options)
    return 0


def _prune(client: Client, options: argparse.Namespace) -> None:
    if not options.all:
        raise Failure("volumes with names are kept: add --all to remove every volume that no container uses")
    used = {
        mount.source
        for each in client.list_all("Container")
        for mount in each.container.mounts
        if mount.type == "volume"
    }
    unused = [each.metadata.name for each in client.list_all("Volume") if each.metadata.name not in used]
    if unused:
        remove(client, "Volume", unused)
