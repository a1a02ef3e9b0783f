"""Texts of /etc/hosts, /etc/resolv.conf and /etc/hostname in a container."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from controller.errors import Refused
from controller.model.container import Container, ContainerSpec
from controller.model.name_forms import HOST_GATEWAY
from controller.plan.oci.surroundings import HostTexts, Surroundings

_LOOPBACK = "127.0.0.1"
_IPV6_LINES = (
    "::1\tlocalhost ip6-localhost ip6-loopback\n",
    "ff02::1\tip6-allnodes\n",
    "ff02::2\tip6-allrouters\n",
)
_DEFAULT_OPTIONS = ("ndots:0",)


def choose_hostname(container: Container, uid: str, surroundings: Surroundings) -> str:
    """Return the spec's name, that of the container whose network is used, the host's in host mode, or the short uid."""
    host, spec = surroundings.host, container.spec
    if spec.hostname:
        return spec.hostname
    peer = surroundings.network_peer
    if peer is not None and spec.uts is None:
        return choose_hostname(
            peer, peer.metadata.uid or "", Surroundings(layout=surroundings.layout, host=host)
        )
    if (spec.uts == "host" or spec.network_mode == "host") and host.hostname:
        return host.hostname
    return uid[:12]


def render_files(
    container: Container, hostname: str, surroundings: Surroundings
) -> tuple[tuple[str, str], ...]:
    """Return the bundle's files by name; those of a container on another's network are the other's."""
    host = surroundings.host
    owner = surroundings.network_peer or container
    if owner.spec.network_mode == "host":
        hosts = host.hosts or render_hosts(hostname, ())
    else:
        domain = f".{owner.spec.domainname}" if owner.spec.domainname else ""
        hosts = render_hosts(hostname + domain, _list_addresses(owner))
    further = [*_list_linked(owner, surroundings), *_list_extra(owner.spec, surroundings)]
    return (
        ("hosts", _end_line(hosts) + "".join(f"{address}\t{names}\n" for address, names in further)),
        ("resolv.conf", render_resolv_conf(owner.spec, surroundings.nameservers, host)),
        ("hostname", f"{hostname}\n"),
    )


def derive_texts_digest(files: Iterable[tuple[str, str]]) -> str:
    """Return 32 hex digits that tell one set of texts from another."""
    return hashlib.sha256(json.dumps(list(files)).encode()).hexdigest()[:32]


def _end_line(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _list_addresses(container: Container) -> list[str]:
    assigned = container.assigned.networks if container.assigned is not None else {}
    names = [attachment.name for attachment in container.spec.networks] or list(assigned)
    addresses = (address for name in names if name in assigned for address in assigned[name].addresses)
    return [address.partition("/")[0] for address in addresses]


def render_hosts(hostname: str, addresses: Iterable[str]) -> str:
    """Return /etc/hosts with loopback and the container's own addresses; that of IPv6 where one of these is."""
    own = tuple(addresses)
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    ipv6 = _IPV6_LINES if any(":" in address for address in own) else ()
    lines = (f"{address}\t{names}\n" for address in own)
    return "".join([f"{_LOOPBACK}\tlocalhost\n", *ipv6, *lines])


def _list_linked(container: Container, surroundings: Surroundings) -> Iterator[tuple[str, str]]:
    """Yield address and names of each link whose other end is on a network of the container's."""
    own = [attachment.name for attachment in container.spec.networks]
    for link in container.spec.links:
        other = surroundings.linked.get(link.container)
        places = other.assigned.networks if other is not None and other.assigned is not None else {}
        place = next((places[name] for name in own if name in places), None)
        if other is not None and place is not None:
            hostname = other.spec.hostname or (other.metadata.uid or "")[:12]
            names = dict.fromkeys((link.alias or link.container, hostname, link.container))
            for address in place.addresses:
                yield address.partition("/")[0], " ".join(names)


def _list_extra(spec: ContainerSpec, surroundings: Surroundings) -> Iterator[tuple[str, str]]:
    for extra in spec.extra_hosts:
        address = extra.address
        if address == HOST_GATEWAY:
            address = _find_host_gateway(spec, surroundings)
        yield address, extra.hostname


def _find_host_gateway(spec: ContainerSpec, surroundings: Surroundings) -> str:
    if spec.network_mode == "host":
        return _LOOPBACK
    if not surroundings.gateway:
        raise Refused(
            "extraHosts names host-gateway, and the container has no network that leads to the host"
        )
    return surroundings.gateway


def render_resolv_conf(spec: ContainerSpec, nameservers: Sequence[str], host: HostTexts) -> str:
    """Return the host's text with what networks, the spec and the settings give in place of the host's.

    Name servers of networks come first: they ask those of the spec about what they don't know. Without any of it the
    host's text is taken over.
    """
    defaults = host.defaults
    search, chosen = defaults.choose_dns_search(spec), defaults.choose_dns_opt(spec)
    servers = list(nameservers) or list(defaults.choose_dns(spec))
    if not (servers or search or chosen):
        return host.resolv_conf
    text = host.resolv_conf
    lines = list(_list_search(search, text))
    lines += [f"nameserver {address}" for address in servers] or _pick_lines(text, "nameserver")
    options = chosen or (_DEFAULT_OPTIONS if nameservers else ())
    lines += [f"options {' '.join(options)}"] if options else _pick_lines(text, "options")
    return "".join(f"{line}\n" for line in lines)


def _list_search(domains: tuple[str, ...], text: str) -> Iterator[str]:
    if domains == (".",):
        return
    if domains:
        yield f"search {' '.join(domains)}"
    else:
        yield from _pick_lines(text, "search", "domain")


def _pick_lines(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if line.split()[:1] and line.split()[0] in words]
