"""Registries: what the daemon is told about them, and who somebody is to one of them."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field

from controller.model.base import Model
from controller.model.image_reference import parse_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who somebody is to a registry: name and password, or a token. Neither is ever shown, logged or stored.

    `identity_token` is traded for short tokens (OAuth 2), `registry_token` is shown to the registry as it is.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return not (self.username or self.password or self.identity_token or self.registry_token)


def _check_mirror(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return f"https://{parse_registry(text)}"
    if scheme not in ("http", "https") or not rest or "?" in rest or "#" in rest or "@" in rest:
        raise ValueError(f"{text!r} is not a mirror: write https://HOST[:PORT]")
    return text.rstrip("/")


class RegistrySettings(Model):
    """What is special about one registry."""

    mirrors: tuple[Annotated[str, AfterValidator(_check_mirror)], ...] = Field(
        default=(), description="Addresses to pull from first, in this order, such as https://mirror.example."
    )
    insecure: bool = Field(
        default=False, description="Whether a certificate nobody vouches for, or plain HTTP, will do."
    )
    ca: str | None = Field(
        default=None, pattern=r"^/", description="File of certificates to trust besides the host's own."
    )


def check_registries(settings: Mapping[str, RegistrySettings]) -> dict[str, RegistrySettings]:
    """Return settings by registry or network (such as 10.0.0.0/8); ValueError for what is neither."""
    return {_check_place(place): each for place, each in settings.items()}


def _check_place(text: str) -> str:
    if "/" in text and "://" not in text:
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(f"{text!r} is neither HOST[:PORT] nor a network such as 10.0.0.0/8") from error
    return parse_registry(text)
