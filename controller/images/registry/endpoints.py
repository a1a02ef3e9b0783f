"""Where a registry is spoken to: its mirrors, then itself; by which scheme."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from controller.model.image_reference import DEFAULT_REGISTRY
from controller.model.registries import RegistrySettings

HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io"}
SEARCH_HOSTS = {DEFAULT_REGISTRY: "index.docker.io"}
"""Where the registries answer that don't by their own name: for images, and for searches."""
_NOTHING = RegistrySettings()

Registries = Mapping[str, RegistrySettings]
"""Settings by registry, or by network of registries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address that speaks the protocol of registries, without the `/v2/` of its paths.

    `registry` is what credentials and certificates are kept under. Without `verified` nobody vouches for it.
    """

    registry: str
    base_url: str
    verified: bool = True
    mirror: bool = False


def list_endpoints(
    registry: str, registries: Registries, *, mirrors: bool, hosts: Mapping[str, str]
) -> tuple[Endpoint, ...]:
    """Return the endpoints of a registry in the order in which to try them; mirrors are for pulling alone."""
    found: list[Endpoint] = []
    for mirror in registries.get(registry, _NOTHING).mirrors if mirrors else ():
        parts = urlsplit(mirror)
        verified = parts.scheme == "https" and not is_insecure(parts.netloc, registries)
        found.append(Endpoint(registry=parts.netloc, base_url=mirror, verified=verified, mirror=True))
    host = hosts.get(registry, registry)
    insecure = is_insecure(registry, registries)
    found.append(Endpoint(registry=registry, base_url=f"https://{host}", verified=not insecure))
    if insecure:
        found.append(Endpoint(registry=registry, base_url=f"http://{host}", verified=False))
    return tuple(found)


def is_insecure(registry: str, registries: Registries) -> bool:
    """Tell whether plain HTTP will do: it is set so for the registry or its network, or it is this very host."""
    settings = registries.get(registry)
    if settings is not None:
        return settings.insecure or _is_loopback(registry)
    address = _read_address(registry)
    networks = [place for place, each in registries.items() if "/" in place and each.insecure]
    listed = address is not None and any(address in ipaddress.ip_network(place) for place in networks)
    return listed or _is_loopback(registry)


def _is_loopback(registry: str) -> bool:
    address = _read_address(registry)
    return urlsplit(f"//{registry}").hostname == "localhost" or (address is not None and address.is_loopback)


def _read_address(registry: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(urlsplit(f"//{registry}").hostname or "")
    except ValueError:
        return None
