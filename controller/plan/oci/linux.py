"""The part of the configuration that is Linux's own: namespaces, limits, devices, hidden paths."""

from collections.abc import Sequence
from typing import Any

from controller.model.container import ContainerSpec
from controller.model.ids import Uid
from controller.model.names import derive_cgroup
from controller.plan.oci.devices import render_device_nodes, render_device_rules
from controller.plan.oci.labels import derive_label
from controller.plan.oci.limits import render_limits
from controller.plan.oci.mounts import choose_root_propagation
from controller.plan.oci.namespaces import render_namespaces
from controller.plan.oci.seccomp import render_seccomp
from controller.plan.oci.seccomp_profile import render_profile
from controller.plan.oci.surroundings import Surroundings
from controller.plan.oci.sysctls import render_sysctls

_MASKED_PATHS = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip
_READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def render_linux(
    uid: Uid, spec: ContainerSpec, capabilities: Sequence[str], surroundings: Surroundings
) -> dict[str, Any]:
    """Return `linux` of the OCI configuration of a container with these capabilities."""
    security = spec.security_opt
    rendered: dict[str, Any] = {
        "cgroupsPath": derive_cgroup(surroundings.layout.instance, uid),
        "namespaces": render_namespaces(uid, spec, surroundings),
        "resources": {
            "devices": render_device_rules(spec, surroundings),
            **render_limits(spec.resources),
        },
        "sysctl": render_sysctls(spec, surroundings),
        "maskedPaths": _choose_paths(spec, security.masked_paths, _MASKED_PATHS),
        "readonlyPaths": _choose_paths(spec, security.readonly_paths, _READ_ONLY_PATHS),
    }
    if not spec.privileged and security.seccomp != "unconfined":
        rendered["seccomp"] = (
            render_profile(security.seccomp_profile, capabilities, surroundings.host)
            if security.seccomp_profile is not None
            else render_seccomp(capabilities)
        )
    nodes = render_device_nodes(spec, surroundings)
    propagation = choose_root_propagation(spec.mounts)
    label = derive_label(security.labels)
    return rendered | {
        **({"devices": nodes} if nodes else {}),
        **({"rootfsPropagation": propagation} if propagation else {}),
        **({"mountLabel": label} if label and not spec.privileged else {}),
    }


def _choose_paths(spec: ContainerSpec, own: tuple[str, ...] | None, default: Sequence[str]) -> list[str]:
    if own is not None:
        return list(own)
    return [] if spec.privileged else list(default)
