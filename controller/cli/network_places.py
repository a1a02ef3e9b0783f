"""network connect, network disconnect: containers' places on networks."""

import argparse
import sys
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.addresses import spell_mac
from controller.cli.client import Client, Failure
from controller.cli.waiting import SETBACKS, wait_for_status
from controller.model.name_forms import parse_link

_NO_NETWORK = "none"
_INTERFACE_NAME = "com.docker.network.endpoint.ifname"
_LIVING = ("Running", "Paused")


def add_places(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the flags of `hold network connect` and `disconnect`."""
    joining = verbs.add_parser("connect", help="Connect a container.")
    joining.add_argument("--ip", default=None, help="Fixed address.")
    joining.add_argument("--ip6", default=None, help="Fixed IPv6 address.")
    joining.add_argument("--mac-address", default=None, help="Fixed MAC address.")
    joining.add_argument(
        "--link-local-ip", action="append", default=[], metavar="IP", help="Link-local address besides."
    )
    joining.add_argument("--alias", action="append", default=[], help="Further name.")
    joining.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="CONTAINER[:ALIAS]",
        help="Other container by a name of one's own (legacy).",
    )
    joining.add_argument(
        "--driver-opt",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"{_INTERFACE_NAME}=NAME: name of the link in the container.",
    )
    joining.add_argument("--gw-priority", type=int, default=0, help="The highest gives the default route.")
    leaving = verbs.add_parser("disconnect", help="Disconnect a container.")
    leaving.add_argument("-f", "--force", action="store_true", help="No error when it is not connected.")
    for parser in (joining, leaving):
        parser.add_argument("name", metavar="NETWORK")
        parser.add_argument("container", metavar="CONTAINER")


def connect(client: Client, network: str, options: argparse.Namespace) -> None:
    """Give a container a place on a network."""

    def join(resource: resource_pb2.Resource) -> None:
        spec = resource.container
        if any(each.name == network for each in spec.networks):
            raise Failure(f"container {options.container} is on network {network} already")
        if spec.network_mode == _NO_NETWORK:
            spec.ClearField("network_mode")
        spec.networks.add(
            name=network,
            aliases=options.alias,
            ipv4=options.ip,
            ipv6=options.ip6,
            mac=spell_mac(options.mac_address) if options.mac_address else None,
            link_local_ips=options.link_local_ip,
            gateway_priority=options.gw_priority,
        )
        _set_driver_options(spec.networks[-1], options.driver_opt)
        for text in options.link:
            spec.links.add(**_read_link(text))

    _wait(client, client.change("Container", options.container, join))


def _set_driver_options(attachment: resource_pb2.NetworkAttachment, texts: list[str]) -> None:
    for text in texts:
        try:
            set_driver_option(attachment, text)
        except ValueError as error:
            raise Failure(f"--driver-opt: {error}") from error


def set_driver_option(attachment: resource_pb2.NetworkAttachment, text: str) -> None:
    """Set what an option NAME=VALUE of Docker's says about a place; ValueError when hold does not know it."""
    name, equals, value = text.partition("=")
    if name != _INTERFACE_NAME or not equals:
        raise ValueError(f"{text!r} is not known; known is {_INTERFACE_NAME}=NAME")
    attachment.interface_name = value


def _read_link(text: str) -> dict[str, str]:
    try:
        fields = parse_link(text)
    except ValueError as error:
        raise Failure(f"--link: {error}") from error
    return fields if isinstance(fields, dict) else {"container": text}


def disconnect(client: Client, network: str, options: argparse.Namespace) -> None:
    """Take a container's place on a network away; without any, it is as one with `--network none`."""

    def leave(resource: resource_pb2.Resource) -> None:
        spec, name = resource.container, resource.metadata.name
        kept = [each for each in spec.networks if each.name != network]
        if len(kept) == len(spec.networks):
            if options.force:
                return
            raise Failure(f"container {name} is not on network {network}")
        if not kept and spec.ports:
            raise Failure(
                f"{network} is the only network of {name}, which publishes ports: connect it to another first"
            )
        if not kept:
            spec.network_mode = _NO_NETWORK
        del spec.networks[:]
        spec.networks.extend(kept)

    _wait(client, client.change("Container", options.container, leave))


def _wait(client: Client, written: resource_pb2.Resource) -> None:
    """Return when a container that runs is on just the networks that it should be on, or when that can't be yet."""
    wanted = {each.name for each in written.container.networks}

    def is_settled(state: resource_pb2.Resource) -> bool:
        status = state.container_status
        is_current = status.observed_generation >= written.metadata.generation
        is_there = wanted == {each.name for each in status.networks}
        return status.phase not in _LIVING or (is_current and (is_there or bool(_find_hindrance(state))))

    state = wait_for_status(client, written, is_settled)
    hindrance = _find_hindrance(state) if state.container_status.phase in _LIVING else ""
    if hindrance:
        print(
            f"hold: {written.metadata.name} is not on all of its networks yet: {hindrance}", file=sys.stderr
        )


def _find_hindrance(state: resource_pb2.Resource) -> str:
    """Return why a container is not on its networks, and will not be by itself at once."""
    for condition in state.container_status.conditions:
        told = condition.type == "NetworksAttached" and condition.status == "False"
        if condition.message and (told or (condition.type == "Ready" and condition.reason in SETBACKS)):
            return condition.message
    return ""
