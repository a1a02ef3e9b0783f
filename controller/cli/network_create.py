"""network create: a network out of Docker's flags."""

import argparse
from collections.abc import Callable, Iterable

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure
from controller.cli.pairs import add_driver_flags, add_pairs_flag, read_pairs
from controller.cli.refused_flags import OF_NETWORKS, OF_NETWORKS_SWITCHES, add_refused_flags
from controller.model.network_drivers import BRIDGE

_DEFAULT_GATEWAYS = ("DefaultGatewayIPv4", "DefaultGatewayIPv6")
"""Docker's names of auxiliary addresses that containers' default routes go by."""
Spec = resource_pb2.NetworkSpec


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold network create`."""
    for flag, text in (
        ("--subnet", "Subnet, such as 10.77.0.0/24 or fd00:77::/64; one of each family."),
        ("--gateway", "The bridge's own address; one of each family."),
        ("--ip-range", "Part of the subnet that addresses are chosen from; one of each family."),
    ):
        parser.add_argument(flag, action="append", default=[], help=text)
    parser.add_argument("--ipv6", action="store_true", help="Give containers IPv6 addresses, too.")
    parser.add_argument(
        "--ipv4",
        action="store_true",
        default=True,
        help="Give containers IPv4 addresses, as without the flag.",
    )
    parser.add_argument("--no-ipv4", action="store_false", dest="ipv4", help="Give containers IPv6 alone.")
    parser.add_argument(
        "--aux-address",
        action="append",
        default=[],
        metavar="NAME=IP",
        help="Address that no container gets; DefaultGatewayIPv4= and DefaultGatewayIPv6= are routers that default routes go by.",
    )
    parser.add_argument(
        "--attachable", action="store_true", help="As without: containers can always be connected."
    )
    parser.add_argument("--scope", choices=["local"], default="local", help="local: this host.")
    parser.add_argument(
        "--ipam-driver", choices=["default"], default="default", help="default: hold chooses addresses."
    )
    add_refused_flags(parser, OF_NETWORKS)
    add_refused_flags(parser, OF_NETWORKS_SWITCHES, switches=True)
    parser.add_argument("--internal", action="store_true", help="Cut it off from everything outside.")
    add_pairs_flag(parser, "--label", text="Label.")
    add_driver_flags(
        parser,
        default=BRIDGE,
        drivers="How it is made: bridge, macvlan, ipvlan, or a plugin.",
        told=f"One of {', '.join(_OPTIONS)}; or what macvlan, ipvlan, a plugin is told, such as parent=eth0.",
    )
    parser.add_argument("name", metavar="NETWORK", help="Name.")


def create(client: Client, options: argparse.Namespace) -> str:
    """Make the network and return its id."""
    resource = resource_pb2.Resource(api_version="hold/v1", kind="Network", network=read_spec(options))
    resource.metadata.name = options.name
    resource.metadata.labels.update(read_pairs("--label", options.label))
    return client.create([resource]).resources[0].metadata.uid


def read_spec(options: argparse.Namespace) -> Spec:
    """Return the network that the flags ask for."""
    reserved = read_pairs("--aux-address", options.aux_address)
    default_gateway, ipv6_default_gateway = (reserved.pop(name, None) for name in _DEFAULT_GATEWAYS)
    spec = Spec(
        driver=options.driver,
        subnets=options.subnet,
        enable_ipv4=None if options.ipv4 else False,
        enable_ipv6=options.ipv6,
        gateway=_choose("--gateway", options.gateway, ipv6=False),
        ipv6_gateway=_choose("--gateway", options.gateway, ipv6=True),
        ip_range=_choose("--ip-range", options.ip_range, ipv6=False),
        ipv6_range=_choose("--ip-range", options.ip_range, ipv6=True),
        reserved_addresses=reserved,
        default_gateway=default_gateway,
        ipv6_default_gateway=ipv6_default_gateway,
        internal=options.internal,
    )
    apply_options(spec, options.opt)
    return spec


def _choose(flag: str, texts: Iterable[str], *, ipv6: bool) -> str | None:
    """Return the text of one family, None without; Failure when there are several."""
    found = [text for text in texts if (":" in text) is ipv6]
    if len(found) > 1:
        raise Failure(f"{flag}: {' and '.join(found)} are of one family: give one of each at most")
    return found[0] if found else None


def apply_options(spec: Spec, texts: Iterable[str]) -> None:
    """Set what driver options say; Failure names one that is not known, or has a value that it can't have.

    Those of other drivers than bridge are theirs to know.
    """
    for name, value in read_pairs("--opt", texts).items():
        if name not in _OPTIONS and spec.driver not in ("", BRIDGE):
            spec.driver_options[name] = value
            continue
        if name not in _OPTIONS:
            raise Failure(f"--opt: {name!r} is not known; known are {', '.join(_OPTIONS)}")
        try:
            _OPTIONS[name](spec, value)
        except ValueError as error:
            raise Failure(f"--opt {name}: {value!r} is not {error}") from error


def _set_name(spec: Spec, value: str) -> None:
    spec.bridge_name = value


def _set_ipv4(spec: Spec, value: str) -> None:
    spec.enable_ipv4 = _read_switch(value)


def _set_ipv6(spec: Spec, value: str) -> None:
    spec.enable_ipv6 = _read_switch(value)


def _set_inter_container(spec: Spec, value: str) -> None:
    spec.inter_container = _read_switch(value)


def _set_masquerade(spec: Spec, value: str) -> None:
    spec.masquerade = _read_switch(value)


def _set_host_binding(spec: Spec, value: str) -> None:
    spec.host_binding = value


def _set_interface_prefix(spec: Spec, value: str) -> None:
    spec.interface_prefix = value


def _set_mtu(spec: Spec, value: str) -> None:
    if not value.isdigit():
        raise ValueError("a number of bytes")
    spec.mtu = int(value)


def _read_switch(value: str) -> bool:
    """Return what Go's strconv.ParseBool makes of a word, which Docker reads these options by."""
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError("true or false")


_OPTIONS: dict[str, Callable[[Spec, str], None]] = {
    "com.docker.network.bridge.name": _set_name,
    "com.docker.network.bridge.enable_icc": _set_inter_container,
    "com.docker.network.bridge.enable_ip_masquerade": _set_masquerade,
    "com.docker.network.bridge.host_binding_ipv4": _set_host_binding,
    "com.docker.network.enable_ipv4": _set_ipv4,
    "com.docker.network.enable_ipv6": _set_ipv6,
    "com.docker.network.container_iface_prefix": _set_interface_prefix,
    "com.docker.network.driver.mtu": _set_mtu,
}
"""Docker's names of driver options, and what each sets."""
