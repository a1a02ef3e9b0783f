"""The files that a container's process is given (hosts, resolv.conf, hostname), kept true while it lives."""

from controller.errors import Refused
from controller.model.wants import INSIDE_RESOLVER
from controller.plan.container.actions import RewriteTexts
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.oci.files import choose_hostname, derive_texts_digest, render_files
from controller.plan.oci.surroundings import HostTexts, Surroundings


def list_text_actions(desired: ContainerDesired, observed: ContainerObserved) -> tuple[RewriteTexts, ...]:
    """Return what makes the files follow changed addresses, hosts and name servers.

    What the container's own processes have written stays until then, as with Docker.
    """
    process, host = observed.process, observed.host
    if process is None or host is None or not process.texts_digest:
        return ()
    try:
        files = _render(desired, host)
    except Refused:  # the next start says what is wrong
        return ()
    if derive_texts_digest(files) == process.texts_digest:
        return ()
    inside = desired.is_isolated and INSIDE_RESOLVER in find_nameservers(desired)
    return (RewriteTexts(uid=desired.uid, files=files, inside=inside),)


def _render(desired: ContainerDesired, host: HostTexts) -> tuple[tuple[str, str], ...]:
    gateway = find_gateway(desired)
    surroundings = Surroundings(
        layout=desired.layout,
        nameservers=find_nameservers(desired),
        host=host,
        network_peer=desired.network_peer,
        linked=desired.peers,
        gateway=gateway,
    )
    hostname = choose_hostname(desired.container, desired.uid, surroundings)
    return render_files(desired.container, hostname, surroundings)


def find_nameservers(desired: ContainerDesired) -> tuple[str, ...]:
    """Return where the container asks for names: the host's address on its networks, or inside its own namespace."""
    gateway = find_gateway(desired)
    if gateway:
        return (gateway,)
    return (INSIDE_RESOLVER,) if any(each.assigned for each in desired.networks.values()) else ()


def find_gateway(desired: ContainerDesired) -> str:
    """Return the host's address on the first network that has one, where names are served too; empty when none has.

    It is of IPv6 where the network has nothing else.
    """
    assigned = (each.assigned for each in desired.networks.values())
    return next(
        (each.gateway or each.ipv6_gateway for each in assigned if each is not None and each.bridge), ""
    )
