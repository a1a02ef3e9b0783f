"""volume: ls, create, rm, inspect, prune."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Client
from controller.cli.networks import inspect, remove
from controller.cli.prune import add_volume_prune, run_volume_prune
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
    add_volume_prune(verbs.add_parser("prune", help="Remove volumes that no container uses."))


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
            return run_volume_prune(client, options)
    return 0
