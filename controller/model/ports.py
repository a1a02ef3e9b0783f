"""Published ports: the long form; and ports that are only exposed."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from controller.model.base import Model
from controller.model.network import Family, check_address
from controller.model.units import Number, Text

Protocol = Literal["tcp", "udp", "sctp"]
_PROTOCOLS: dict[str, Protocol] = {"tcp": "tcp", "udp": "udp", "sctp": "sctp"}
_EXPOSED = re.compile(r"(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?(/(?P<protocol>tcp|udp|sctp))?")


ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - what people write for every address of a family


def _check_host_ip(text: str) -> str:
    if text == "":
        return text
    try:
        return check_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address") from error


class PortMapping(Model):
    """One port of the host that leads to one port of a container."""

    host_ip: Annotated[str, AfterValidator(_check_host_ip)] = Field(
        default="",
        alias="hostIP",
        description="Host address to publish on; 0.0.0.0 or :: for every one of a family, empty for all.",
    )
    host_port: Number = Field(
        default=0, ge=0, le=65535, description="Port of the host; 0 lets hold choose a free one."
    )
    host_port_end: Number = Field(
        default=0,
        ge=0,
        le=65535,
        description="Last port of a range that begins with hostPort, of which hold chooses a free one.",
    )
    container_port: Number = Field(ge=1, le=65535, description="Port that the process listens on.")
    protocol: Protocol = Field(default="tcp", description="tcp, udp or sctp.")

    @model_validator(mode="after")
    def _range_goes_on(self) -> Self:
        if self.host_port_end and not 0 < self.host_port <= self.host_port_end:
            raise ValueError(f"hostPortEnd {self.host_port_end} is not after hostPort {self.host_port}")
        return self

    @property
    def is_named(self) -> bool:
        """Whether the host port is a certain one."""
        return bool(self.host_port) and not self.host_port_end

    @property
    def choices(self) -> range:
        """The host ports that a range leaves the choice of, none where it is any."""
        return range(self.host_port, self.host_port_end + 1) if self.host_port_end else range(0)

    def __str__(self) -> str:
        return f"{render_host(self.host_ip or '*', self.host_port)}->{self.container_port}/{self.protocol}"

    def is_on(self, family: Family) -> bool:
        """Tell whether the port is published on addresses of a family."""
        return not self.host_ip or (":" in self.host_ip) is (family == 6)

    @property
    def single_ip(self) -> str:
        """The one host address to publish on, empty when it is every one, be it of a family."""
        return "" if self.host_ip in (ANY_IPV4, ANY_IPV6) else self.host_ip


def render_host(address: str, port: int) -> str:
    """Return `192.0.2.1:80` or `[2001:db8::1]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def check_exposed(text: str) -> str:
    """Return `80/tcp` for `80`; a range stays one. ValueError otherwise."""
    match = _EXPOSED.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an exposed port: write PORT[-PORT][/tcp|udp|sctp]")
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"{text!r} is not a range of ports between 1 and 65535")
    ports = f"{first}-{last}" if last != first else str(first)
    return f"{ports}/{match['protocol'] or 'tcp'}"


def list_exposed(text: str) -> Iterator[tuple[int, Protocol]]:
    """Yield port and protocol of each port that a checked text names."""
    match = _EXPOSED.fullmatch(text)
    if match is not None:
        protocol = _PROTOCOLS[match["protocol"] or "tcp"]
        for port in range(int(match["first"]), int(match["last"] or match["first"]) + 1):
            yield port, protocol


Expose = Annotated[
    tuple[Annotated[Text, AfterValidator(check_exposed)], ...],
    Field(description="Ports that the process listens on, such as 80/tcp; published by publishAll alone."),
]
