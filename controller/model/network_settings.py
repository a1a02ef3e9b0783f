"""Settings of the daemon for networks: pools of addresses, and the default bridge by Docker's names."""

import ipaddress
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from controller.model.base import Model
from controller.model.network import NetworkSpec
from controller.model.units import Number

IPV6_SUBNET_PREFIX = 64


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
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not an address with its prefix, such as 172.20.0.1/16: {error}"
        ) from error
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix: write one, such as {text}/16")
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
    fixed_cidr: str | None = Field(
        default=None,
        description="Part of the default bridge's subnet that addresses are chosen from; without bip its subnet.",
    )
    ipv6: bool = Field(default=False, description="Whether the default bridge has IPv6.")
    fixed_cidr_v6: str | None = Field(
        default=None,
        alias="fixedCidrV6",
        description="IPv6 subnet of the default bridge; from addressPoolIPv6 by default.",
    )
    mtu: Number | None = Field(
        default=None, ge=68, le=65535, description="Largest packet of the default bridge in bytes."
    )

    @model_validator(mode="after")
    def _pools_have_room(self) -> Self:
        for pool in self.address_pool:
            if ipaddress.IPv4Network(pool).prefixlen > self.address_pool_prefix:
                raise ValueError(f"addressPoolPrefix {self.address_pool_prefix} does not fit into {pool}")
        if self.fixed_cidr_v6 is not None and not self.ipv6:
            raise ValueError(f"fixedCidrV6 {self.fixed_cidr_v6} needs ipv6: true")
        return self

    @model_validator(mode="after")
    def _default_bridge_is_a_network(self) -> Self:
        try:
            self.default_network  # noqa: B018 - for its errors
        except ValidationError as error:
            told = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
            raise ValueError(f"bip, fixedCidr, fixedCidrV6, mtu make no network: {told}") from error
        return self

    @property
    def default_network(self) -> NetworkSpec:
        """What the network is like that containers join which name none; ValidationError when it can't be."""
        bridge = ipaddress.IPv4Interface(self.bip) if self.bip is not None else None
        subnets = [str(bridge.network) if bridge is not None else self.fixed_cidr, self.fixed_cidr_v6]
        return NetworkSpec.model_validate(
            {
                "subnets": [subnet for subnet in subnets if subnet is not None],
                "gateway": str(bridge.ip) if bridge is not None else None,
                "ip_range": self.fixed_cidr if bridge is not None else None,
                "enable_ipv6": self.ipv6,
                "mtu": self.mtu,
            }
        )
