"""Which proxy a request goes through, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


class Proxies:
    """The proxies of an environment; names in lower case win, as with curl."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        named = sorted(environment.items())  # lower case sorts last
        by_name = {name.lower(): value for name, value in named if name.lower().endswith("_proxy")}
        self._by_scheme = {scheme: by_name.get(f"{scheme}_proxy", "") for scheme in ("http", "https", "all")}
        self._exempt = [
            each.strip().lower() for each in by_name.get("no_proxy", "").split(",") if each.strip()
        ]

    def choose(self, url: str) -> str | None:
        """Return the address of the proxy for a request, None when it goes straight, as to this very host it does."""
        parts = urlsplit(url)
        proxy = self._by_scheme.get(parts.scheme) or self._by_scheme["all"]
        if not proxy or self._is_exempt(parts.hostname or "", parts.netloc.lower()):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def _is_exempt(self, host: str, place: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or any(_covers(each, host, place) for each in self._exempt)
        listed = any(
            address in network for network in map(_read_network, self._exempt) if network is not None
        )
        return address.is_loopback or listed or any(_covers(each, host, place) for each in self._exempt)


def _covers(pattern: str, host: str, place: str) -> bool:
    """Tell whether an entry of NO_PROXY is for a host: itself, one above it, its port, or everything."""
    domain = pattern.removeprefix("*").removeprefix(".")
    return pattern == "*" or pattern in (host, place) or (bool(domain) and host.endswith(f".{domain}"))


def _read_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
