"""Published ports: the long form; and ports that are only exposed."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.model.base import Model
from controller.model.units import Number, Text

Protocol = Literal["tcp", "udp", "sctp"]
_PROTOCOLS: dict[str, Protocol] = {"tcp": "tcp", "udp": "udp", "sctp": "sctp"}
_EXPOSED = re.compile(r"(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?(/(?P<protocol>tcp|udp|sctp))?")


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
    protocol: Protocol = Field(default="tcp", description="tcp, udp or sctp.")

    def __str__(self) -> str:
        host = f"{self.host_ip or '*'}:{self.host_port}"
        return f"{host}->{self.container_port}/{self.protocol}"


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
