"""Settings of the daemon for networks: pools of addresses, and the default bridge by Docker's names."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from controller.model.base import Model
from controller.model.naming import Dns, DnsOptions, DnsSearch
from controller.model.network import (
    Address,
    AddressRange,
    Family,
    Ipv4,
    Ipv6,
    Ipv6Range,
    NetworkSpec,
    family_of,
)
from controller.model.units import Number

IPV6_SUBNET_PREFIX = 64
_SETTINGS = {
    "gateway": "bip",
    "ipv6Gateway": "bip6",
    "ipRange": "fixedCidr",
    "ipv6Range": "fixedCidrV6",
    "ipv6DefaultGateway": "defaultGatewayV6",
    "hostBinding": "ip",
}
"""Settings by the fields of the default bridge's spec that they make."""
_SETTINGS_OF_SUBNETS: dict[Family, str] = {4: "bip, fixedCidr", 6: "bip6, fixedCidrV6"}


def split_list(value: object) -> object:
    """Accept words with commas between them, from a flag or the environment."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _check_pool(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 network such as 10.192.0.0/12: {error}") from error


def _check_ipv6_pool(text: str) -> str:
    try:
        network = ipaddress.IPv6Network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv6 network such as fd12:3456:789a::/48: {error}") from error
    if network.prefixlen > IPV6_SUBNET_PREFIX:
        raise ValueError(f"{text!r} has no room for a /{IPV6_SUBNET_PREFIX}: use a prefix of that or less")
    return str(network)


def _check_bip(text: str) -> str:
    return _check_interface(text, ipaddress.IPv4Interface, "172.20.0.1/16")


def _check_bip6(text: str) -> str:
    return _check_interface(text, ipaddress.IPv6Interface, "fd00:20::1/64")


def _check_interface(
    text: str, make: Callable[[str], ipaddress.IPv4Interface | ipaddress.IPv6Interface], example: str
) -> str:
    try:
        interface = make(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address with its prefix, such as {example}: {error}") from error
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix: write one, such as {text}/{example.partition('/')[2]}")
    return str(interface)


class NetworkSettings(Model):
    """What can be set about networks."""

    address_pool: Annotated[
        tuple[Annotated[str, AfterValidator(_check_pool)], ...], BeforeValidator(split_list)
    ] = Field(
        default=("10.192.0.0/12", "172.16.0.0/12", "192.168.0.0/16"),
        min_length=1,
        description="Where subnets of networks without one come from; the next one when one has no room.",
    )
    address_pool_prefix: Number = Field(
        default=22, ge=16, le=29, description="Prefix length of the subnets that the pool is cut into."
    )
    address_pool_ipv6: Annotated[str, AfterValidator(_check_ipv6_pool)] | None = Field(
        default=None,
        alias="addressPoolIPv6",
        description="Where IPv6 subnets (/64) come from; unique local addresses of the machine's own by default.",
    )
    bip: Annotated[str, AfterValidator(_check_bip)] | None = Field(
        default=None,
        description="Address of the default bridge with its subnet's prefix; from addressPool by default.",
    )
    fixed_cidr: AddressRange | None = Field(
        default=None,
        description="Part of the default bridge's subnet that addresses are chosen from; without bip its subnet.",
    )
    bip6: Annotated[str, AfterValidator(_check_bip6)] | None = Field(
        default=None, description="IPv6 address of the default bridge with its subnet's prefix."
    )
    default_gateway: Ipv4 | None = Field(
        default=None,
        description="Router on the default bridge that containers' default routes go by; the bridge by default.",
    )
    default_gateway_v6: Ipv6 | None = Field(
        default=None, alias="defaultGatewayV6", description="The same of their IPv6 default routes."
    )
    ipv6: bool = Field(default=False, description="Whether the default bridge has IPv6.")
    fixed_cidr_v6: Ipv6Range | None = Field(
        default=None,
        alias="fixedCidrV6",
        description="IPv6 subnet of the default bridge, with bip6 a part of it; from addressPoolIPv6 by default.",
    )
    mtu: Number | None = Field(
        default=None, ge=68, le=65535, description="Largest packet of the default bridge in bytes."
    )
    icc: bool = Field(default=True, description="Whether containers on the default bridge reach one another.")
    ip: Address | None = Field(
        default=None,
        description="Host address of published ports of the default bridge that name none; every address by default.",
    )
    ip_masq: bool = Field(
        default=True, description="Whether traffic that leaves the default bridge takes the host's address."
    )
    dns: Annotated[Dns, BeforeValidator(split_list)] = Field(
        default=(), description="Name servers of containers that name none; those of resolvConf by default."
    )
    dns_search: Annotated[DnsSearch, BeforeValidator(split_list)] = Field(
        default=(), description="Search domains of containers that name none; those of resolvConf by default."
    )
    dns_opts: Annotated[DnsOptions, BeforeValidator(split_list)] = Field(
        default=(), description="Options for resolvers in containers that name none, such as ndots:2."
    )

    @model_validator(mode="after")
    def _pools_have_room(self) -> Self:
        for pool in self.address_pool:
            if ipaddress.IPv4Network(pool).prefixlen > self.address_pool_prefix:
                raise ValueError(f"addressPoolPrefix {self.address_pool_prefix} does not fit into {pool}")
        for name, value in {
            "fixedCidrV6": self.fixed_cidr_v6,
            "bip6": self.bip6,
            "defaultGatewayV6": self.default_gateway_v6,
        }.items():
            if value is not None and not self.ipv6:
                raise ValueError(f"{name} {value} needs ipv6: true")
        if self.default_gateway is not None and self.bip is None and self.fixed_cidr is None:
            raise ValueError(
                f"defaultGateway {self.default_gateway} needs bip: name the subnet that it is in"
            )
        if self.default_gateway_v6 is not None and self.bip6 is None and self.fixed_cidr_v6 is None:
            raise ValueError(
                f"defaultGatewayV6 {self.default_gateway_v6} needs fixedCidrV6: name the subnet that it is in"
            )
        return self

    @model_validator(mode="after")
    def _default_bridge_is_a_network(self) -> Self:
        try:
            self.default_network  # noqa: B018 - for its errors
        except ValidationError as error:
            raise ValueError("; ".join(map(_tell_of_default_bridge, error.errors()))) from error
        return self

    @property
    def default_network(self) -> NetworkSpec:
        """What the network is like that containers join which name none; ValidationError when it can't be."""
        ipv4, ipv6 = _parse_interface(self.bip), _parse_interface(self.bip6)
        subnets = [ipv4.subnet or self.fixed_cidr, ipv6.subnet or self.fixed_cidr_v6]
        return NetworkSpec.model_validate(
            {
                "subnets": [subnet for subnet in subnets if subnet is not None],
                "gateway": ipv4.address,
                "ipv6_gateway": ipv6.address,
                "ip_range": self.fixed_cidr if self.bip is not None else None,
                "ipv6_range": self.fixed_cidr_v6 if self.bip6 is not None else None,
                "default_gateway": self.default_gateway,
                "ipv6_default_gateway": self.default_gateway_v6,
                "enable_ipv6": self.ipv6,
                "mtu": self.mtu,
                "inter_container": self.icc,
                "masquerade": self.ip_masq,
                "host_binding": self.ip,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interface:
    """An address and its subnet; nothing where none is set."""

    address: str | None = None
    subnet: str | None = None


def _parse_interface(text: str | None) -> _Interface:
    if text is None:
        return _Interface()
    interface = ipaddress.ip_interface(text)
    return _Interface(address=str(interface.ip), subnet=str(interface.network))


def _tell_of_default_bridge(detail: ErrorDetails) -> str:
    """Return what is wrong with the default bridge in the words of its settings, the setting first."""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["loc"][:1] == ("subnets",):
        return f"{_SETTINGS_OF_SUBNETS[family_of(str(detail['input']))]}: {message}"
    first, _, rest = message.partition(" ")
    return f"{_SETTINGS.get(first, first)} {rest}"
