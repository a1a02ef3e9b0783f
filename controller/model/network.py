"""The Network kind."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from controller.model.base import Model
from controller.model.ids import ObjectName
from controller.model.network_drivers import BRIDGE, check_driver_options
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status
from controller.model.units import Number, Text

Family = Literal[4, 6]
FAMILIES: tuple[Family, ...] = (4, 6)
IPV6_LOOPBACK = "::1"
WHY_NO_IPV6_LOOPBACK = (
    "the kernel drops what comes back to it by a bridge, as IPv6 has no route_localnet; "
    "use 127.0.0.1, which localhost leads to as well, or an address of a link"
)
IPV6_LEAST_MTU = 1280
"""Links with less have no IPv6 (RFC 8200, section 5)."""
LINK_LOCAL_SUBNETS: dict[Family, str] = {4: "169.254.0.0/16", 6: "fe80::/64"}
"""Where addresses come from that are of use on one link alone (RFC 3927; RFC 4291, section 2.5.6)."""
_DERIVED_MIDDLE = b"\xff\xfe"
_SPECIAL = {
    "0.0.0.0/8": "this host",
    "127.0.0.0/8": "the loopback",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/8": "reserved",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}
"""What addresses stand for that no container can have (RFC 6890)."""
_LONGEST_PREFIX = {4: 30, 6: 126}


def _check_subnet(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a subnet such as 10.77.0.0/24 or fd00:77::/64: {error}") from error
    longest = _LONGEST_PREFIX[network.version]
    if network.prefixlen > longest:
        raise ValueError(
            f"{text!r} has no room for a gateway and a container: use a prefix of {longest} or less"
        )
    for each, what in _SPECIAL.items():
        special = ipaddress.ip_network(each)
        if special.version == network.version and network.overlaps(special):
            raise ValueError(f"{text!r} can't be a network's, for {each} is {what}: use a private subnet")
    return str(network)


def check_ipv4(text: str) -> str:
    """Return `text` if it is an IPv4 address; ValueError otherwise."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address: {error}") from error


def check_ipv6(text: str) -> str:
    """Return `text` in its shortest spelling if it is an IPv6 address without a zone; ValueError otherwise."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv6 address: {error}") from error
    if address.scope_id is not None:
        raise ValueError(f"{text!r} names a link: write the address alone")
    return str(address)


def check_address(text: str) -> str:
    """Return `text` in its shortest spelling if it is an address of either family; ValueError otherwise."""
    return check_ipv6(text) if ":" in text else check_ipv4(text)


def family_of(address: str) -> Family:
    """Return the family of an address or a subnet."""
    return 6 if ":" in address else 4


def check_link_local(text: str) -> str:
    """Return `text` in its shortest spelling if a container may have it as a link-local address; ValueError otherwise."""
    address = ipaddress.ip_address(check_address(text))
    subnet = LINK_LOCAL_SUBNETS[family_of(text)]
    if not _is_host(str(address), subnet):
        raise ValueError(
            f"{text!r} is not link-local: use an address of {' or '.join(LINK_LOCAL_SUBNETS.values())}"
        )
    if address.version == 6 and address.packed[11:13] == _DERIVED_MIDDLE:
        raise ValueError(f"{text!r} is of the form that the kernel derives from a MAC: choose another")
    return str(address)


def _check_link_name(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.-]{0,14}", text):
        raise ValueError(
            f"{text!r} is not a link name: use 1 to 15 of a-z A-Z 0-9 _ . - and begin with a letter"
        )
    return text


def _check_range(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 range such as 10.77.0.128/25: {error}") from error


def _check_ipv6_range(text: str) -> str:
    try:
        return str(ipaddress.IPv6Network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv6 range such as fd00:77::8000/113: {error}") from error


def _check_interface_prefix(text: str) -> str:
    """Leave room for a number of four digits in a link's 15 characters."""
    if not re.fullmatch(r"[a-z]([a-z0-9]{0,9}[a-z])?", text):
        raise ValueError(
            f"{text!r} can't begin a link's name: use 1 to 11 of a-z 0-9, with a letter first and last"
        )
    return text


Subnet = Annotated[str, AfterValidator(_check_subnet)]
Ipv4 = Annotated[str, AfterValidator(check_ipv4)]
Ipv6 = Annotated[str, AfterValidator(check_ipv6)]
Address = Annotated[str, AfterValidator(check_address)]
LinkName = Annotated[str, AfterValidator(_check_link_name)]
LinkLocalAddress = Annotated[str, AfterValidator(check_link_local)]
AddressRange = Annotated[str, AfterValidator(_check_range)]
Ipv6Range = Annotated[str, AfterValidator(_check_ipv6_range)]
InterfacePrefix = Annotated[str, AfterValidator(_check_interface_prefix)]


class NetworkSpec(Model):
    """A network that containers of this host share."""

    driver: ObjectName = Field(
        default="bridge", description="How the network is made: bridge, macvlan, ipvlan, or a plugin's name."
    )
    driver_options: dict[str, Text] = Field(
        default={}, description="What macvlan, ipvlan or a plugin is told besides, such as parent: eth0."
    )
    subnets: tuple[Subnet, ...] = Field(
        default=(),
        max_length=2,
        description="One subnet of each family at most; chosen from the address pools when none is given.",
    )
    enable_ipv4: bool = Field(
        default=True, alias="enableIPv4", description="Whether containers get IPv4 addresses."
    )
    enable_ipv6: bool = Field(
        default=False,
        alias="enableIPv6",
        description="Whether containers get IPv6 addresses too; an IPv6 subnet means that they do.",
    )
    gateway: Ipv4 | None = Field(
        default=None, description="The bridge's own address; the subnet's first by default."
    )
    ipv6_gateway: Ipv6 | None = Field(
        default=None, description="The bridge's own IPv6 address; the IPv6 subnet's first by default."
    )
    default_gateway: Ipv4 | None = Field(
        default=None,
        description="Next hop of containers' default routes, such as a router on the network; the gateway by default.",
    )
    ipv6_default_gateway: Ipv6 | None = Field(
        default=None, description="The same of their IPv6 default routes; the IPv6 gateway by default."
    )
    ip_range: AddressRange | None = Field(
        default=None,
        description="Part of the subnet that addresses are chosen from; the whole of it by default.",
    )
    ipv6_range: Ipv6Range | None = Field(
        default=None,
        description="Part of the IPv6 subnet that addresses are chosen from; the whole of it by default.",
    )
    reserved_addresses: dict[ObjectName, Address] = Field(
        default={}, description="Addresses that no container gets, each with the name of who has it."
    )
    internal: bool = Field(
        default=False, description="Whether the network is cut off from everything outside."
    )
    masquerade: bool = Field(
        default=True, description="Whether traffic that leaves the host takes the host's address."
    )
    inter_container: bool = Field(
        default=True, description="Whether the network's containers reach one another."
    )
    host_binding: Address | None = Field(
        default=None,
        description="Host address of published ports that name none themselves; every address by default.",
    )
    interface_prefix: InterfacePrefix = Field(
        default="eth", description="Beginning of the link's name in containers; a number follows."
    )
    mtu: Number | None = Field(
        default=None, ge=68, le=65535, description="Largest packet in bytes; the kernel's default."
    )
    bridge_name: LinkName | None = Field(
        default=None, description="Name of the bridge link; derived from the uid by default."
    )

    @model_validator(mode="after")
    def _driver_knows_its_options(self) -> Self:
        check_driver_options(self.driver, self.driver_options)
        if self.driver == BRIDGE:
            return self
        of_bridges = {
            "bridgeName": self.bridge_name is not None,
            "hostBinding": self.host_binding is not None,
            "interContainer: false": not self.inter_container,
            "defaultGateway": self.default_gateway is not None,
            "ipv6DefaultGateway": self.ipv6_default_gateway is not None,
        }
        for field, given in of_bridges.items():
            if given:
                raise ValueError(f"{field} is for networks of driver bridge, not {self.driver}: leave it out")
        return self

    @property
    def ipv4_subnet(self) -> str:
        """The IPv4 subnet that is asked for, empty when none is."""
        return next((subnet for subnet in self.subnets if ":" not in subnet), "")

    @property
    def ipv6_subnet(self) -> str:
        """The IPv6 subnet that is asked for, empty when none is."""
        return next((subnet for subnet in self.subnets if ":" in subnet), "")

    @property
    def has_ipv6(self) -> bool:
        """Whether containers get IPv6 addresses."""
        return self.enable_ipv6 or bool(self.ipv6_subnet)

    def find_default_gateway(self, family: Family) -> str:
        """The next hop of default routes of a family that is asked for, empty when it is the gateway."""
        return (self.default_gateway if family == 4 else self.ipv6_default_gateway) or ""

    @model_validator(mode="after")
    def _families_are_clear(self) -> Self:
        if len({":" in subnet for subnet in self.subnets}) < len(self.subnets):
            raise ValueError(f"subnets {', '.join(self.subnets)} are of one family: name one of each at most")
        if not self.enable_ipv4 and not self.has_ipv6:
            raise ValueError("enableIPv4 and enableIPv6 are both off: leave one of the two on")
        if not self.enable_ipv4 and self.ipv4_subnet:
            raise ValueError(f"enableIPv4 is off and subnets has {self.ipv4_subnet}: remove one of the two")
        if self.host_binding == IPV6_LOOPBACK:
            raise ValueError(
                f"hostBinding {IPV6_LOOPBACK} can't be led to a container: {WHY_NO_IPV6_LOOPBACK}"
            )
        if self.has_ipv6 and self.mtu is not None and self.mtu < IPV6_LEAST_MTU:
            raise ValueError(f"mtu {self.mtu} is too small for IPv6: use {IPV6_LEAST_MTU} or more")
        return self

    @model_validator(mode="after")
    def _addresses_are_inside(self) -> Self:
        _check_family(
            self.ipv4_subnet,
            gateways={"gateway": self.gateway, "defaultGateway": self.default_gateway},
            part=("ipRange", self.ip_range),
            reserved={name: text for name, text in self.reserved_addresses.items() if family_of(text) == 4},
        )
        _check_family(
            self.ipv6_subnet,
            gateways={"ipv6Gateway": self.ipv6_gateway, "ipv6DefaultGateway": self.ipv6_default_gateway},
            part=("ipv6Range", self.ipv6_range),
            reserved={name: text for name, text in self.reserved_addresses.items() if family_of(text) == 6},
        )
        return self


def _check_family(
    subnet: str,
    *,
    gateways: Mapping[str, str | None],
    part: tuple[str, str | None],
    reserved: Mapping[str, str],
) -> None:
    """Refuse addresses of one family that are not the subnet's, or are two things at once."""
    for field, value in {**gateways, **dict([part]), "reservedAddresses": reserved}.items():
        if value and not subnet:
            raise ValueError(f"{field} needs subnets: name the subnet that it belongs to")
    if subnet:
        for field, gateway in gateways.items():
            _check_gateway(field, gateway, subnet, reserved.values())
        _check_part(*part, subnet)
        _check_reserved(reserved, subnet)


def _check_gateway(field: str, gateway: str | None, subnet: str, reserved: Iterable[str]) -> None:
    if gateway is None:
        return
    if not _is_host(gateway, subnet):
        raise ValueError(f"{field} {gateway} is not a host address of subnet {subnet}")
    if gateway in reserved:
        raise ValueError(f"{field} {gateway} is one of reservedAddresses: remove one of the two")


def _check_part(field: str, part: str | None, subnet: str) -> None:
    if part is None:
        return
    inner, whole = ipaddress.ip_network(part), ipaddress.ip_network(subnet)
    if not (inner[0] in whole and inner[-1] in whole):
        raise ValueError(f"{field} {part} is not a part of subnet {subnet}")


def _check_reserved(reserved: Mapping[str, str], subnet: str) -> None:
    for name, address in reserved.items():
        if not _is_host(address, subnet):
            raise ValueError(f"reservedAddresses has {address} of {name}, not a host address of {subnet}")


def _is_host(text: str, subnet: str) -> bool:
    """Tell whether an address is one of a subnet's, and neither its first nor, with IPv4, its last."""
    address, network = ipaddress.ip_address(text), ipaddress.ip_network(subnet)
    reserved = (network[0],) if network.version == 6 else (network[0], network[-1])
    return address in network and address not in reserved


class NetworkAssigned(Model):
    """What the store chose for a network, once, for its life; subnet and gateway of a family are empty without it."""

    subnet: str
    gateway: str
    bridge: str
    ipv6_subnet: str = ""
    ipv6_gateway: str = ""
    parent: str = ""
    """The link that links in containers hang below; empty where there is a bridge, or a plugin."""
    driver_forgotten: bool = False
    """Whether it may be deleted without the plugin that makes it."""


class NetworkStatus(Status):
    """A network as last observed."""

    bridge: str = Field(default="", description="The bridge link's name.")
    parent: str = Field(default="", description="The link that links in containers hang below.")
    driver: str = Field(default="", description="The plugin that has been asked to make it.")
    subnet: str = Field(default="", description="The subnet in use.")
    gateway: str = Field(default="", description="The bridge's own address.")
    ipv6_subnet: str = Field(default="", description="The IPv6 subnet in use.")
    ipv6_gateway: str = Field(default="", description="The bridge's own IPv6 address.")


class Network(Model):
    """A network, its desired and its observed state."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Network"] = Field(default="Network", description="The kind of the object.")
    metadata: Metadata
    spec: NetworkSpec = NetworkSpec()
    assigned: NetworkAssigned | None = Field(default=None, exclude=True)
    status: NetworkStatus = NetworkStatus()
