"""Which namespaces a container's process gets: new ones, the host's, or those of another container."""

from collections.abc import Iterator
from typing import Any

from controller.model.container import ContainerSpec
from controller.model.ids import Uid
from controller.model.naming import find_peer
from controller.plan.oci.surroundings import Surroundings


def render_namespaces(uid: Uid, spec: ContainerSpec, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `linux.namespaces`; what is not in it is the host's."""
    return [
        *_list_joined("pid", spec.pid, surroundings),
        {"type": "mount"},
        *([{"type": "uts"}] if spec.uts is None else []),
        *_list_joined("ipc", spec.ipc, surroundings),
        *([{"type": "cgroup"}] if spec.cgroup == "private" else []),
        *_list_network(uid, spec, surroundings),
    ]


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
    owner = surroundings.network_peer
    owner_uid = Uid(owner.metadata.uid or "") if owner is not None else uid
    yield {"type": "network", "path": surroundings.layout.netns_path(owner_uid)}
