"""network: ls, create, rm, connect, disconnect, inspect, prune."""

import argparse
from collections.abc import Mapping
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Resources
from controller.cli.deletion import add_removal, remove
from controller.cli.inspect import find_by_id, inspect_kind
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.network_create import add_flags, create
from controller.cli.network_filters import KNOWN, read_filters
from controller.cli.network_places import add_places, connect, disconnect
from controller.cli.prune import add_network_prune, run_network_prune

_SHORT_ID = 12
_TITLES = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "Subnet": "SUBNET",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
_LISTING = Listing(titles=_TITLES, shown=("ID", "Name", "Driver", "Subnet"))


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold network`."""
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="ls|create|rm|connect|disconnect|inspect|prune"
    )
    listing = verbs.add_parser("ls", aliases=["list"], help="List networks.")
    listing.add_argument("-q", "--quiet", action="store_true", help="Print ids only.")
    listing.add_argument("--no-trunc", action="store_true", help="Print whole ids.")
    listing.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {KNOWN}."
    )
    add_format_flag(listing)
    add_flags(verbs.add_parser("create", help="Make a network."))
    add_removal(verbs, "networks", "NETWORK")
    inspection = verbs.add_parser("inspect", help="Show networks, with the containers on them, as JSON.")
    inspection.add_argument("-f", "--format", default="", help="Template such as '{{.status.subnet}}'.")
    inspection.add_argument(
        "-v", "--verbose", action="store_true", help="As without: what Docker tells besides is of its swarm."
    )
    inspection.add_argument("names", nargs="+", metavar="NETWORK")
    add_places(verbs)
    add_network_prune(verbs.add_parser("prune", help="Remove networks that no container names."))


def run_network(client: Client, options: argparse.Namespace) -> int:
    """Carry out the verb."""
    match options.verb:
        case "ls" | "list":
            _list(client, options)
        case "create":
            print(create(client, options))
        case "rm" | "remove":
            names = [find_name(client, word) for word in options.names]
            return remove(client, "Network", names, force=options.force)
        case "inspect":
            return _inspect(client, options)
        case "prune":
            return run_network_prune(client, options)
        case "connect":
            connect(client, find_name(client, options.name), options)
        case _:
            disconnect(client, find_name(client, options.name), options)
    return 0


def find_name(client: Client, word: str) -> str:
    """Return the name of the network that a word names, or whose id begins so; the word where there is none."""
    if client.find("Network", word) is not None:
        return word
    found = find_by_id(client, "Network", word)
    return found.metadata.name if found is not None else word


def _list(client: Client, options: argparse.Namespace) -> None:
    networks = client.list_all("Network")
    used = {each.name for resource in client.list_all("Container") for each in resource.container.networks}
    passes = read_filters(options.filter, used)
    rows = [_describe(each, whole=options.no_trunc) for each in networks if passes(each)]
    if options.quiet:
        print_lines("\n".join(row["ID"] for row in rows))
    else:
        print_lines(_LISTING.render(rows, options.format))


def _describe(network: resource_pb2.Resource, *, whole: bool) -> Mapping[str, str]:
    metadata, spec, status = network.metadata, network.network, network.network_status
    return {
        "ID": metadata.uid if whole else metadata.uid[:_SHORT_ID],
        "Name": metadata.name,
        "Driver": spec.driver or "bridge",
        "Scope": "local",
        "Subnet": ",".join(filter(None, (status.subnet, status.ipv6_subnet))),
        "IPv6": str(bool(status.ipv6_subnet)).lower(),
        "Internal": str(spec.internal).lower(),
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(metadata.labels.items())),
        "CreatedAt": metadata.created_at.ToJsonString(),
    }


def _inspect(client: Client, options: argparse.Namespace) -> int:
    containers = client.list_all("Container")

    def complete(document: dict[str, Any]) -> dict[str, Any]:
        return document | {"containers": _list_attached(containers, document["metadata"]["name"])}

    return inspect_kind(client, "Network", options.names, options.format, complete)


def _list_attached(containers: Resources, network: str) -> dict[str, dict[str, str]]:
    """Return the containers with an address on the network now, by name."""
    return {
        resource.metadata.name: {
            "uid": resource.metadata.uid,
            **({"ipv4": place.ipv4} if place.ipv4 else {}),
            **({"ipv6": place.ipv6} if place.ipv6 else {}),
            "mac": place.mac,
        }
        for resource in containers
        for place in resource.container_status.networks
        if place.name == network
    }
