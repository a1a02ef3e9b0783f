"""network: ls, create, rm, connect, disconnect, inspect."""

import argparse

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.declare import wait_until_gone
from controller.cli.fields import to_document
from controller.cli.tables import render_table


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold network`."""
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="ls|create|rm|connect|disconnect|inspect"
    )
    verbs.add_parser("ls", help="List networks.")
    create = verbs.add_parser("create", help="Make a network.")
    create.add_argument("--subnet", action="append", default=[], help="Subnet, such as 10.77.0.0/24.")
    create.add_argument("--gateway", default=None, help="The bridge's own address.")
    create.add_argument("--internal", action="store_true", help="Cut it off from everything outside.")
    create.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="Label.")
    create.add_argument("-d", "--driver", default="bridge", help="bridge.")
    create.add_argument("name", metavar="NETWORK", help="Name.")
    for verb in ("rm", "inspect"):
        verbs.add_parser(verb, help=f"{verb} networks.").add_argument("names", nargs="+", metavar="NETWORK")
    for verb in ("connect", "disconnect"):
        parser_of_verb = verbs.add_parser(verb, help=f"{verb} a container.")
        parser_of_verb.add_argument("--ip", default=None, help="Fixed address.")
        parser_of_verb.add_argument("--alias", action="append", default=[], help="Further name.")
        parser_of_verb.add_argument("name", metavar="NETWORK")
        parser_of_verb.add_argument("container", metavar="CONTAINER")


def run_network(client: Client, options: argparse.Namespace) -> int:
    """Carry out the verb."""
    match options.verb:
        case "ls":
            rows = [
                [each.metadata.uid[:12], each.metadata.name, "bridge", each.network_status.subnet]
                for each in client.list_all("Network")
            ]
            print(render_table(["NETWORK ID", "NAME", "DRIVER", "SUBNET"], rows))
        case "create":
            _create(client, options)
        case "rm":
            remove(client, "Network", options.names)
        case "inspect":
            inspect(client, "Network", options.names)
        case "connect":
            client.change("Container", options.container, lambda resource: _connect(resource, options))
        case _:
            client.change(
                "Container", options.container, lambda resource: _disconnect(resource, options.name)
            )
    return 0


def _create(client: Client, options: argparse.Namespace) -> None:
    spec = resource_pb2.NetworkSpec(
        driver=options.driver, subnets=options.subnet, gateway=options.gateway, internal=options.internal
    )
    resource = resource_pb2.Resource(api_version="hold/v1", kind="Network", network=spec)
    resource.metadata.name = options.name
    resource.metadata.labels.update(each.partition("=")[::2] for each in options.label)
    print(client.create([resource]).resources[0].metadata.uid)


def remove(client: Client, kind: str, names: list[str]) -> None:
    """Delete objects and wait until they are gone."""
    keys = [state_pb2.Key(kind=kind, name=name) for name in names]
    client.delete(state_pb2.DeleteRequest(keys=keys))
    wait_until_gone(client, keys)
    print("\n".join(names))


def inspect(client: Client, kind: str, names: list[str]) -> None:
    """Print objects as a JSON list."""
    import json

    print(json.dumps([to_document(client.get(kind, name)) for name in names], indent=2))


def _connect(resource: resource_pb2.Resource, options: argparse.Namespace) -> None:
    if any(each.name == options.name for each in resource.container.networks):
        raise Failure(f"container {options.container} is on network {options.name} already")
    resource.container.networks.add(name=options.name, aliases=options.alias, ipv4=options.ip)


def _disconnect(resource: resource_pb2.Resource, network: str) -> None:
    kept = [each for each in resource.container.networks if each.name != network]
    if len(kept) == len(resource.container.networks):
        raise Failure(f"container {resource.metadata.name} is not on network {network}")
    if not kept:
        raise Failure(
            f"{network} is the only network of {resource.metadata.name}: connect it to another first"
        )
    del resource.container.networks[:]
    resource.container.networks.extend(kept)
