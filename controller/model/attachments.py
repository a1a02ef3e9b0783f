"""Places of containers on networks: as asked for, as chosen, as observed."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from controller.model.base import Model
from controller.model.ids import ObjectName
from controller.model.network import Ipv4, Ipv6, LinkLocalAddress, LinkName
from controller.model.units import Number


class NetworkAttachment(Model):
    """A container's place on a network."""

    name: ObjectName = Field(description="The network.")
    aliases: tuple[ObjectName, ...] = Field(default=(), description="Further names on this network.")
    ipv4: Ipv4 | None = Field(default=None, description="Fixed address; chosen from the subnet by default.")
    ipv6: Ipv6 | None = Field(
        default=None, description="Fixed IPv6 address; chosen from the IPv6 subnet by default."
    )
    mac: Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")] | None = Field(
        default=None, description="Fixed MAC address; derived by default."
    )
    link_local_ips: tuple[LinkLocalAddress, ...] = Field(
        default=(),
        alias="linkLocalIPs",
        description="Addresses of 169.254.0.0/16 or fe80::/64 that the link there has besides.",
    )
    interface_name: LinkName | None = Field(
        default=None,
        description="Name of the link in the container; the network's prefix with a number by default.",
    )
    gateway_priority: Number = Field(
        default=0,
        ge=-(2**31),
        lt=2**31,
        description="The network with the highest one carries the default route; the first of several.",
    )

    @field_validator("interface_name")
    @classmethod
    def _is_not_loopback(cls, name: str | None) -> str | None:
        if name == "lo":
            raise ValueError("'lo' is the loopback's: choose another name")
        return name

    @field_validator("link_local_ips")
    @classmethod
    def _are_different(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there twice")
        return texts


def _list_attachment(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Attachment = Annotated[NetworkAttachment, BeforeValidator(_list_attachment)]


def list_attachment_conflicts(attachments: Sequence[NetworkAttachment]) -> Iterator[str]:
    """Yield a sentence for each contradiction among a container's places."""
    names = [each.name for each in attachments]
    if len(set(names)) != len(names):
        yield "networks names a network twice"
    links = [each.interface_name for each in attachments if each.interface_name is not None]
    if len(set(links)) != len(links):
        yield f"networks has an interfaceName twice: {', '.join(sorted(links))}"


class AssignedAttachment(Model):
    """Addresses chosen for one network of a container; that of a family which the network lacks is empty."""

    ipv4: str
    mac: str
    ipv6: str = ""
    link_local_ips: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the network's subnets that there are, IPv4 first."""
        return tuple(filter(None, (self.ipv4, self.ipv6)))


class AttachmentStatus(Model):
    """One network of a container as observed."""

    name: str = Field(description="The network.")
    ipv4: str = Field(default="", description="The container's address there.")
    mac: str = Field(description="Its MAC address.")
    gateway: str = Field(default="", description="The network's gateway, where the default route goes by it.")
    ipv6: str = Field(default="", description="The container's IPv6 address there.")
    ipv6_gateway: str = Field(default="", description="The same of the IPv6 default route.")
    link_local_ips: tuple[str, ...] = Field(
        default=(), alias="linkLocalIPs", description="Link-local addresses that were asked for."
    )
