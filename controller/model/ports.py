"""Published ports: the long form."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.model.base import Model
from controller.model.units import Number

Protocol = Literal["tcp", "udp"]


def _check_host_ip(text: str) -> str:
    if text == "":
        return text
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv4 address") from error
    return "" if address.is_unspecified else str(address)


class PortMapping(Model):
    """One port of the host that leads to one port of a container."""

    host_ip: Annotated[str, AfterValidator(_check_host_ip)] = Field(
        default="", alias="hostIP", description="Host address to publish on; every address when empty."
    )
    host_port: Number = Field(
        default=0, ge=0, le=65535, description="Port of the host; 0 lets hold choose a free one."
    )
    container_port: Number = Field(ge=1, le=65535, description="Port that the process listens on.")
    protocol: Protocol = Field(default="tcp", description="tcp or udp.")

    def __str__(self) -> str:
        host = f"{self.host_ip or '*'}:{self.host_port}"
        return f"{host}->{self.container_port}/{self.protocol}"
