"""Kernel settings of a container's own namespaces."""

from controller.model.container import ContainerSpec
from controller.plan.oci.namespaces import shares_network
from controller.plan.oci.surroundings import Surroundings

_NETWORK_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
_OWN_USERS_PING_RANGE = "0 65535"
"""A group that the user namespace does not have is refused."""


def render_sysctls(spec: ContainerSpec, surroundings: Surroundings) -> dict[str, str]:
    """Return `linux.sysctl`: what lets ports and pings be had without privileges, and the spec's own."""
    has_network = not shares_network(spec, surroundings) and surroundings.network_peer is None
    settings = dict(_NETWORK_SYSCTLS) if has_network else {}
    if has_network and spec.user_namespace == "auto":
        settings["net.ipv4.ping_group_range"] = _OWN_USERS_PING_RANGE
    if spec.domainname is not None:
        settings["kernel.domainname"] = spec.domainname
    return settings | spec.sysctls
