"""Which settings of a container's isolation contradict one another."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from controller.model.naming import find_peer
from controller.model.security import ALL_CAPABILITIES, is_ipc_sysctl, is_network_sysctl

if TYPE_CHECKING:
    from controller.model.container import ContainerSpec


def list_isolation_conflicts(spec: "ContainerSpec") -> Iterator[str]:
    """Yield a sentence for each contradiction, with what to do about it."""
    yield from _list_namespace_conflicts(spec)
    yield from _list_network_conflicts(spec)
    yield from _list_user_conflicts(spec)
    shares_network = spec.network_mode == "host" or bool(find_peer(spec.network_mode))
    shares_ipc = spec.ipc == "host" or bool(find_peer(spec.ipc))
    for name in spec.sysctls:
        if is_network_sysctl(name) and shares_network:
            yield f"sysctl {name} can't be set with networkMode {spec.network_mode}: the network is not its own"
        if is_ipc_sysctl(name) and shares_ipc:
            yield f"sysctl {name} can't be set with ipc {spec.ipc}: IPC is not its own"
    both = set(spec.cap_add) & set(spec.cap_drop) - {ALL_CAPABILITIES}
    if both:
        yield f"{', '.join(sorted(both))} is both in capAdd and capDrop: remove one of the two"


def _list_namespace_conflicts(spec: "ContainerSpec") -> Iterator[str]:
    if spec.uts == "host" and (spec.hostname is not None or spec.domainname is not None):
        yield "hostname and domainname can't be set with uts host: they would be the host's own"
    if spec.shm_size_bytes is not None and spec.ipc is not None and spec.ipc not in ("private", "shareable"):
        yield f"shmSize can't be set with ipc {spec.ipc}: /dev/shm is not its own"
    if spec.privileged and spec.security_opt.seccomp_profile is not None:
        yield "seccompProfile has no effect on a privileged container: remove one of the two"


def _list_user_conflicts(spec: "ContainerSpec") -> Iterator[str]:
    """Yield what can't be had with users of one's own: what belongs to the host's root, or to another container's."""
    if spec.user_namespace == "host":
        return
    shared = {
        "privileged": spec.privileged,
        f"networkMode {spec.network_mode}": spec.network_mode not in (None, "none"),
        f"pid {spec.pid}": spec.pid is not None,
        f"ipc {spec.ipc}": spec.ipc == "host" or bool(find_peer(spec.ipc)),
        "uts host": spec.uts == "host",
        "cgroup host": spec.cgroup == "host",
    }
    for name, present in shared.items():
        if present:
            yield f"userNamespace auto can't be had with {name}: remove one of the two"


def _list_network_conflicts(spec: "ContainerSpec") -> Iterator[str]:
    if spec.network_mode == "host" and spec.links:
        yield "links need a network that both are on: use extraHosts with networkMode host"
    peer = find_peer(spec.network_mode)
    if not peer:
        return
    taken = {
        "hostname": spec.hostname is not None,
        "domainname": spec.domainname is not None,
        "extraHosts": bool(spec.extra_hosts),
        "dns": bool(spec.dns or spec.dns_search or spec.dns_opt),
        "links": bool(spec.links),
        "expose": bool(spec.expose),
        "publishAll": spec.publish_all,
    }
    for name, present in taken.items():
        if present:
            yield f"{name} can't be set with networkMode {spec.network_mode}: set it on container {peer}"
