"""What a container's root may do (capabilities(7)): Docker's default set, and what a spec makes of it."""

from collections.abc import Sequence

from controller.model.container import ContainerSpec
from controller.model.security import ALL_CAPABILITIES, CAPABILITIES

DEFAULT_CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
    "CAP_SYS_CHROOT",
)  # fmt: skip


def choose_capabilities(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the bounding set, sorted: ALL in capAdd is all but those dropped, ALL in capDrop only those added."""
    if spec.privileged:
        return CAPABILITIES
    added, dropped = set(spec.cap_add), set(spec.cap_drop)
    if ALL_CAPABILITIES in added:
        return tuple(name for name in CAPABILITIES if name not in dropped)
    kept = set() if ALL_CAPABILITIES in dropped else set(DEFAULT_CAPABILITIES) - dropped
    return tuple(name for name in CAPABILITIES if name in kept | added)


def render_capabilities(bounding: Sequence[str], user_id: int) -> dict[str, list[str]]:
    """Return `process.capabilities`; a user other than root has none until it runs a set-uid program."""
    return {
        "bounding": list(bounding),
        "effective": list(bounding) if user_id == 0 else [],
        "permitted": list(bounding) if user_id == 0 else [],
        "inheritable": [],
        "ambient": [],
    }
