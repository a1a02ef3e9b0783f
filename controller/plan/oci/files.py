"""Texts of /etc/hosts, /etc/resolv.conf and /etc/hostname in a container."""

from collections.abc import Iterable

from controller.model.container import Container
from controller.plan.oci.surroundings import HostTexts, Surroundings


def choose_hostname(container: Container, uid: str, host: HostTexts) -> str:
    """Return the spec's name, the host's in host mode, or the short uid."""
    if container.spec.hostname:
        return container.spec.hostname
    if container.spec.network_mode == "host" and host.hostname:
        return host.hostname
    return uid[:12]


def render_files(
    container: Container, hostname: str, surroundings: Surroundings
) -> tuple[tuple[str, str], ...]:
    """Return the bundle's files by name."""
    host = surroundings.host
    if container.spec.network_mode == "host":
        hosts = host.hosts or render_hosts(hostname, ())
    else:
        assigned = container.assigned.networks if container.assigned is not None else {}
        names = [attachment.name for attachment in container.spec.networks] or list(assigned)
        addresses = [assigned[name].ipv4.partition("/")[0] for name in names if name in assigned]
        hosts = render_hosts(hostname, addresses)
    return (
        ("hosts", hosts),
        ("resolv.conf", render_resolv_conf(surroundings.nameservers, host.resolv_conf)),
        ("hostname", f"{hostname}\n"),
    )


def render_hosts(hostname: str, addresses: Iterable[str]) -> str:
    """Return /etc/hosts with loopback and the container's own addresses."""
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return "".join(["127.0.0.1\tlocalhost\n", *(f"{address}\t{names}\n" for address in addresses)])


def render_resolv_conf(nameservers: Iterable[str], host_text: str) -> str:
    """Return the host's text with its name servers replaced; as it is when there are none to replace them by."""
    servers = list(nameservers)
    if not servers:
        return host_text
    search = [line for line in host_text.splitlines() if line.split()[:1] in (["search"], ["domain"])]
    lines = [*search, *(f"nameserver {address}" for address in servers), "options ndots:0"]
    return "".join(f"{line}\n" for line in lines)
