"""How a container finds others by name, and which namespaces it shares with them."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from controller.model.base import Model
from controller.model.ids import NAME_PATTERN, ObjectName
from controller.model.name_forms import HOST_GATEWAY, parse_extra_hosts, parse_link, parse_volume_source
from controller.model.units import Text

_HOST_NAME = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,252})")
_SEARCH_DOMAIN = re.compile(r"\.|[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,252})")
_DNS_OPTION = re.compile(r"[a-z0-9-]+(:[0-9]+)?")
_CONTAINER_PREFIX = "container:"
_NAME = re.compile(NAME_PATTERN)


def _check_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error


def _check_host_address(text: str) -> str:
    return text if text == HOST_GATEWAY else _check_address(text)


def _check_host_name(text: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a host name")
    return text


def _check_alias(text: str) -> str:
    return _check_host_name(text) if text else text


def _check_search_domain(text: str) -> str:
    if not _SEARCH_DOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a domain; write . for none at all")
    return text


def _check_dns_option(text: str) -> str:
    if not _DNS_OPTION.fullmatch(text):
        raise ValueError(f"{text!r} is not an option of resolv.conf(5) such as ndots:2")
    return text


def find_peer(mode: str | None) -> str:
    """Return NAME of a mode `container:NAME`, empty for any other."""
    if mode is None or not mode.startswith(_CONTAINER_PREFIX):
        return ""
    return mode.removeprefix(_CONTAINER_PREFIX)


def check_mode(text: str, words: tuple[str, ...]) -> str:
    """Return a mode that is one of the words or container:NAME; ValueError otherwise."""
    peer = find_peer(text)
    if text in words or (peer and _NAME.fullmatch(peer)):
        return text
    raise ValueError(f"{text!r} is not a mode: write {', '.join(words)} or container:NAME")


class ExtraHost(Model):
    """One line of /etc/hosts."""

    hostname: Annotated[str, AfterValidator(_check_host_name)] = Field(description="The name.")
    address: Annotated[str, AfterValidator(_check_host_address)] = Field(
        description="Its IP address, or host-gateway: an address of the host that the container reaches."
    )


class Link(Model):
    """Another container under a name of one's own (legacy: names of networks do the same)."""

    container: ObjectName = Field(description="The other container.")
    alias: Annotated[str, AfterValidator(_check_alias)] = Field(
        default="", description="Name for it; its own by default."
    )


class VolumeSource(Model):
    """A container whose mounts are taken over."""

    container: ObjectName = Field(description="The other container.")
    read_only: bool = Field(default=False, description="Whether they can only be read here.")


NetworkMode = Annotated[
    Annotated[str, AfterValidator(lambda text: check_mode(text, ("host", "none")))] | None,
    Field(
        description="host: the host's network; none: only loopback; container:NAME: another container's. "
        "Instead of networks."
    ),
]
PidMode = Annotated[
    Annotated[str, AfterValidator(lambda text: check_mode(text, ("host",)))] | None,
    Field(description="Whose processes are seen: host, or container:NAME; only its own by default."),
]
IpcMode = Annotated[
    Annotated[str, AfterValidator(lambda text: check_mode(text, ("host", "private", "shareable", "none")))]
    | None,
    Field(
        description="System V IPC and /dev/shm: private (default), shareable with others, none (no /dev/shm), host, "
        "or container:NAME."
    ),
]
UserNamespace = Annotated[
    Literal["host", "auto"],
    Field(
        description="auto: root and all users of the container are others on the host, which no other container has; "
        "host: they are the host's own."
    ),
]
ExtraHosts = Annotated[
    tuple[ExtraHost, ...],
    BeforeValidator(parse_extra_hosts),
    Field(description="Further lines of /etc/hosts; NAME:ADDRESS, or a mapping, is accepted."),
]
Dns = Annotated[
    tuple[Annotated[str, AfterValidator(_check_address)], ...],
    Field(max_length=8, description="Name servers to ask about what is not on the container's networks."),
]
DnsSearch = Annotated[
    tuple[Annotated[str, AfterValidator(_check_search_domain)], ...],
    Field(description="Domains to look names up in; the host's by default, [.] for none."),
]
DnsOptions = Annotated[
    tuple[Annotated[str, AfterValidator(_check_dns_option)], ...],
    Field(description="Options of resolv.conf(5), such as ndots:2."),
]
Links = Annotated[
    tuple[Annotated[Link, BeforeValidator(parse_link)], ...],
    Field(description="Other containers by a name of one's own (legacy); NAME[:ALIAS] is accepted."),
]
VolumesFrom = Annotated[
    tuple[Annotated[VolumeSource, BeforeValidator(parse_volume_source)], ...],
    Field(description="Containers whose mounts are taken over; NAME[:ro] is accepted."),
]
GroupAdd = Annotated[tuple[Text, ...], Field(description="Further groups of the process: names or numbers.")]
