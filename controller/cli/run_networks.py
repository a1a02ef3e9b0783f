"""Networks and published ports of `run` and `create`: Docker's flags into the spec."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.addresses import spell_mac
from controller.cli.client import Failure
from controller.cli.network_places import set_driver_option
from controller.cli.parser import EXIT_DAEMON
from controller.model.short_forms import parse_port

_FIELDS = {"name": "name", "ip": "ipv4", "ip6": "ipv6"}
_KEYS = "name, alias, ip, ip6, mac-address, link-local-ip, gw-priority, driver-opt"


def set_networks(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Set the networks and the published ports that the flags ask for."""
    _set_ports(spec, options.publish)
    for text in options.network:
        if text not in ("host", "none") and not text.startswith("container:"):
            spec.networks.append(_parse_network(text))
        elif len(options.network) > 1:
            raise Failure(f"--network: {text} can't be joined with another network", code=EXIT_DAEMON)
        else:
            spec.network_mode = text
    names = (*options.network_alias, *options.link_local_ip)
    if not (options.ip or options.ip6 or options.mac_address or names):
        return
    if not spec.networks:
        spec.networks.add(name="bridge")
    first = spec.networks[0]
    first.aliases.extend(options.network_alias)
    first.link_local_ips.extend(options.link_local_ip)
    if options.ip:
        first.ipv4 = options.ip
    if options.ip6:
        first.ipv6 = options.ip6
    if options.mac_address:
        first.mac = spell_mac(options.mac_address)


def _set_ports(spec: resource_pb2.ContainerSpec, texts: list[str]) -> None:
    try:
        long_forms = [fields for text in texts for fields in parse_port(text)]
    except ValueError as error:
        raise Failure(f"--publish: {error}", code=EXIT_DAEMON) from error
    for fields in long_forms:
        spec.ports.add(
            host_ip=str(fields["hostIP"]),
            host_port=int(str(fields["hostPort"])),
            host_port_end=int(str(fields.get("hostPortEnd", 0))),
            container_port=int(str(fields["containerPort"])),
            protocol=str(fields["protocol"]),
        )


def _parse_network(text: str) -> resource_pb2.NetworkAttachment:
    """Return the attachment of `NAME`, `NAME:ALIAS,...` or `name=NAME,alias=A,ip=I,mac-address=M`."""
    if "=" not in text:
        name, _, aliases = text.partition(":")
        name = "bridge" if name == "default" else name
        return resource_pb2.NetworkAttachment(name=name, aliases=filter(None, aliases.split(",")))
    attachment = resource_pb2.NetworkAttachment()
    for part in text.split(","):
        key, _, value = part.partition("=")
        match key:
            case "name" | "ip" | "ip6":
                setattr(attachment, _FIELDS[key], value)
            case "alias":
                attachment.aliases.append(value)
            case "mac-address":
                attachment.mac = spell_mac(value)
            case "link-local-ip":
                attachment.link_local_ips.append(value)
            case "gw-priority":
                attachment.gateway_priority = _read_priority(value)
            case "driver-opt":
                _set_driver_option(attachment, value)
            case _:
                raise Failure(f"--network: {key!r} is not a key: use {_KEYS}", code=EXIT_DAEMON)
    return attachment


def _read_priority(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Failure(f"--network: gw-priority {text!r} is not a number", code=EXIT_DAEMON) from error


def _set_driver_option(attachment: resource_pb2.NetworkAttachment, text: str) -> None:
    try:
        set_driver_option(attachment, text)
    except ValueError as error:
        raise Failure(f"--network: driver-opt: {error}", code=EXIT_DAEMON) from error
