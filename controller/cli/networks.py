"""network: ls, create, rm, connect, disconnect, inspect, prune."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure, Resources
from controller.cli.deletion import add_removal, remove
from controller.cli.fields import to_document
from controller.cli.inspect import inspect_kind
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.network_create import add_flags, create
from controller.cli.prune import add_network_prune, run_network_prune

_SHORT_ID = 12
_FILTERS = "name=TEXT, id=TEXT, driver=NAME, label=NAME[=VALUE] or dangling=true|false"
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
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {_FILTERS}."
    )
    add_format_flag(listing)
    add_flags(verbs.add_parser("create", help="Make a network."))
    add_removal(verbs, "networks", "NETWORK")
    inspection = verbs.add_parser("inspect", help="Show networks, with the containers on them, as JSON.")
    inspection.add_argument("-f", "--format", default="", help="Template such as '{{.status.subnet}}'.")
    inspection.add_argument("names", nargs="+", metavar="NETWORK")
    _add_connection(verbs)
    add_network_prune(verbs.add_parser("prune", help="Remove networks that no container names."))


def _add_connection(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    joining = verbs.add_parser("connect", help="Connect a container.")
    joining.add_argument("--ip", default=None, help="Fixed address.")
    joining.add_argument("--ip6", default=None, help="Fixed IPv6 address.")
    joining.add_argument("--mac-address", default=None, help="Fixed MAC address.")
    joining.add_argument(
        "--link-local-ip", action="append", default=[], metavar="IP", help="Link-local address besides."
    )
    joining.add_argument("--alias", action="append", default=[], help="Further name.")
    joining.add_argument("--gw-priority", type=int, default=0, help="The highest gives the default route.")
    leaving = verbs.add_parser("disconnect", help="Disconnect a container.")
    leaving.add_argument("-f", "--force", action="store_true", help="No error when it is not connected.")
    for parser in (joining, leaving):
        parser.add_argument("name", metavar="NETWORK")
        parser.add_argument("container", metavar="CONTAINER")


def run_network(client: Client, options: argparse.Namespace) -> int:
    """Carry out the verb."""
    match options.verb:
        case "ls" | "list":
            _list(client, options)
        case "create":
            print(create(client, options))
        case "rm" | "remove":
            remove(client, "Network", options.names, force=options.force)
        case "inspect":
            return _inspect(client, options)
        case "prune":
            return run_network_prune(client, options)
        case "connect":
            client.change("Container", options.container, lambda resource: _connect(resource, options))
        case _:
            client.change("Container", options.container, lambda resource: _disconnect(resource, options))
    return 0


def _list(client: Client, options: argparse.Namespace) -> None:
    networks = client.list_all("Network")
    used = {each.name for resource in client.list_all("Container") for each in resource.container.networks}
    tests = [read_filter(text, used) for text in options.filter]
    rows = [_describe(each, whole=options.no_trunc) for each in networks if all(test(each) for test in tests)]
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


def read_filter(text: str, used: set[str]) -> Callable[[resource_pb2.Resource], bool]:
    """Return the test that a `--filter` asks for; `used` are names of networks that containers are on."""
    key, _, value = text.partition("=")
    name, equals, wanted = value.partition("=")
    match key:
        case "name":
            return lambda network: value in network.metadata.name
        case "id":
            return lambda network: network.metadata.uid.startswith(value)
        case "driver":
            return lambda network: (network.network.driver or "bridge") == value
        case "label":
            return lambda network: (
                name in network.metadata.labels and (not equals or network.metadata.labels[name] == wanted)
            )
        case "dangling" if value in ("true", "false"):
            return lambda network: (network.metadata.name not in used) is (value == "true")
        case _:
            raise Failure(f"--filter {text!r} is not known: write {_FILTERS}")


def inspect(client: Client, kind: str, names: list[str]) -> None:
    """Print objects as a JSON list."""
    print(json.dumps([to_document(client.get(kind, name)) for name in names], indent=2))


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


def _connect(resource: resource_pb2.Resource, options: argparse.Namespace) -> None:
    if any(each.name == options.name for each in resource.container.networks):
        raise Failure(f"container {options.container} is on network {options.name} already")
    resource.container.networks.add(
        name=options.name,
        aliases=options.alias,
        ipv4=options.ip,
        ipv6=options.ip6,
        mac=options.mac_address,
        link_local_ips=options.link_local_ip,
        gateway_priority=options.gw_priority,
    )


def _disconnect(resource: resource_pb2.Resource, options: argparse.Namespace) -> None:
    name, network = resource.metadata.name, options.name
    kept = [each for each in resource.container.networks if each.name != network]
    if len(kept) == len(resource.container.networks):
        if options.force:
            return
        raise Failure(f"container {name} is not on network {network}")
    if not kept:
        raise Failure(f"{network} is the only network of {name}: connect it to another first")
    del resource.container.networks[:]
    resource.container.networks.extend(kept)
