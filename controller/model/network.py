"""The Network kind."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from controller.model.base import Model
from controller.model.ids import ObjectName
from controller.model.network_drivers import BRIDGE, check_driver_options
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status
from controller.model.units import Number, Text


def _check_subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 subnet such as 10.77.0.0/24: {error}") from error
    if network.prefixlen > 30:
        raise ValueError(f"{text!r} has no room for a gateway and a container: use a prefix of 30 or less")
    return str(network)


def check_ipv4(text: str) -> str:
    """Return `text` if it is an IPv4 address; ValueError otherwise."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address: {error}") from error


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


def _check_interface_prefix(text: str) -> str:
    """Leave room for a number of four digits in a link's 15 characters."""
    if not re.fullmatch(r"[a-z]([a-z0-9]{0,9}[a-z])?", text):
        raise ValueError(
            f"{text!r} can't begin a link's name: use 1 to 11 of a-z 0-9, with a letter first and last"
        )
    return text


Subnet = Annotated[str, AfterValidator(_check_subnet)]
Ipv4 = Annotated[str, AfterValidator(check_ipv4)]
AddressRange = Annotated[str, AfterValidator(_check_range)]
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
        default=(), max_length=1, description="IPv4 subnet; chosen from the address pool when none is given."
    )
    gateway: Ipv4 | None = Field(
        default=None, description="The bridge's own address; the subnet's first by default."
    )
    ip_range: AddressRange | None = Field(
        default=None,
        description="Part of the subnet that addresses are chosen from; the whole of it by default.",
    )
    reserved_addresses: dict[ObjectName, Ipv4] = Field(
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
    host_binding: Ipv4 | None = Field(
        default=None,
        description="Host address of published ports that name none themselves; every address by default.",
    )
    interface_prefix: InterfacePrefix = Field(
        default="eth", description="Beginning of the link's name in containers; a number follows."
    )
    mtu: Number | None = Field(
        default=None, ge=68, le=65535, description="Largest packet in bytes; the kernel's default."
    )
    bridge_name: Annotated[str, AfterValidator(_check_link_name)] | None = Field(
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
        }
        for field, given in of_bridges.items():
            if given:
                raise ValueError(f"{field} is for networks of driver bridge, not {self.driver}: leave it out")
        return self

    @model_validator(mode="after")
    def _addresses_are_inside(self) -> Self:
        named = {
            "gateway": self.gateway,
            "ipRange": self.ip_range,
            "reservedAddresses": self.reserved_addresses,
        }
        for field, value in named.items():
            if value and not self.subnets:
                raise ValueError(f"{field} needs subnets: name the subnet that it belongs to")
        if not self.subnets:
            return self
        subnet = ipaddress.IPv4Network(self.subnets[0])
        if self.gateway is not None and not _is_host(self.gateway, subnet):
            raise ValueError(f"gateway {self.gateway} is not a host address of subnet {subnet}")
        if self.gateway in self.reserved_addresses.values():
            raise ValueError(f"gateway {self.gateway} is one of reservedAddresses: remove one of the two")
        if self.ip_range is not None and not ipaddress.IPv4Network(self.ip_range).subnet_of(subnet):
            raise ValueError(f"ipRange {self.ip_range} is not a part of subnet {subnet}")
        for name, address in self.reserved_addresses.items():
            if not _is_host(address, subnet):
                raise ValueError(f"reservedAddresses has {address} of {name}, not a host address of {subnet}")
        return self


def _is_host(text: str, subnet: ipaddress.IPv4Network) -> bool:
    address = ipaddress.IPv4Address(text)
    return address in subnet and address not in (subnet.network_address, subnet.broadcast_address)


class NetworkAssigned(Model):
    """What the store chose for a network, once, for its life."""

    subnet: str
    gateway: str
    bridge: str
    parent: str = ""
    """The link that links in containers hang below; empty where there is a bridge, or a plugin."""


class NetworkStatus(Status):
    """A network as last observed."""

    bridge: str = Field(default="", description="The bridge link's name.")
    parent: str = Field(default="", description="The link that links in containers hang below.")
    subnet: str = Field(default="", description="The subnet in use.")
    gateway: str = Field(default="", description="The bridge's own address.")


class Network(Model):
    """A network, its desired and its observed state."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Network"] = Field(default="Network", description="The kind of the object.")
    metadata: Metadata
    spec: NetworkSpec = NetworkSpec()
    assigned: NetworkAssigned | None = Field(default=None, exclude=True)
    status: NetworkStatus = NetworkStatus()
