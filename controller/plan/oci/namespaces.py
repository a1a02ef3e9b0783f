"""Which namespaces a container's process gets: new ones, the host's, or those of another container."""

from collections.abc import Iterator
from typing import Any

from controller.model.container import Container, ContainerSpec
from controller.model.ids import Uid
from controller.model.naming import find_peer
from controller.plan.oci.surroundings import Surroundings

ID_COUNT = 65536
"""Users and groups of a container with its own: 0 to 65535, as everywhere in images."""


def render_namespaces(uid: Uid, spec: ContainerSpec, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `linux.namespaces`; what is not in it is the host's."""
    return [
        *_list_joined("pid", spec.pid, surroundings),
        {"type": "mount"},
        *([{"type": "uts"}] if spec.uts is None else []),
        *_list_joined("ipc", spec.ipc, surroundings),
        *([{"type": "cgroup"}] if spec.cgroup == "private" else []),
        *_list_network(uid, spec, surroundings),
        *_list_users(uid, spec, surroundings),
    ]


def _list_users(uid: Uid, spec: ContainerSpec, surroundings: Surroundings) -> Iterator[dict[str, Any]]:
    """Yield the namespace that owns the container's network: so its root may do there what root may."""
    if spec.user_namespace == "auto":
        yield {"type": "user", "path": surroundings.layout.userns_path(uid)}


def render_id_mappings(container: Container) -> dict[str, Any]:
    """Return `linux.uidMappings` and `linux.gidMappings` of a container with users of its own; nothing for others."""
    base = find_id_base(container)
    if not base:
        return {}
    mapping = {"containerID": 0, "hostID": base, "size": ID_COUNT}
    return {"uidMappings": [mapping], "gidMappings": [mapping]}


def find_id_base(container: Container) -> int:
    """Return the first of the host's users that stand for those of the container; 0 when they are the host's own."""
    if container.spec.user_namespace == "host" or container.assigned is None:
        return 0
    return container.assigned.id_base


def list_process_peers(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the containers whose processes have to run for their namespaces to be joined."""
    peers = (find_peer(mode) for mode in (spec.pid, spec.ipc))
    return tuple(dict.fromkeys(peer for peer in peers if peer))


def shares_network(spec: ContainerSpec, surroundings: Surroundings) -> bool:
    """Tell whether a container is on the host's network, or on that of one that is."""
    owner = surroundings.network_peer
    return spec.network_mode == "host" or (owner is not None and owner.spec.network_mode == "host")


def _list_joined(kind: str, mode: str | None, surroundings: Surroundings) -> Iterator[dict[str, Any]]:
    peer = find_peer(mode)
    if peer:
        yield {"type": kind, "path": f"/proc/{surroundings.peers[peer].pid}/ns/{kind}"}
    elif mode != "host":
        yield {"type": kind}


def _list_network(uid: Uid, spec: ContainerSpec, surroundings: Surroundings) -> Iterator[dict[str, Any]]:
    if shares_network(spec, surroundings):
        return
    yield {"type": "network", "path": find_netns_path(uid, surroundings)}


def find_netns_path(uid: Uid, surroundings: Surroundings) -> str:
    """Return where the network namespace is kept that the container is in: its own, or another's."""
    owner = surroundings.network_peer
    return surroundings.layout.netns_path(Uid(owner.metadata.uid or "") if owner is not None else uid)
