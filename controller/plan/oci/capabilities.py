"""What a container's root may do (capabilities(7)): Docker's default set."""

DEFAULT_CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
    "CAP_SYS_CHROOT",
)  # fmt: skip


def render_capabilities(user_id: int) -> dict[str, list[str]]:
    """Return `process.capabilities`; a user other than root has none until it runs a set-uid program."""
    bounding = list(DEFAULT_CAPABILITIES)
    return {
        "bounding": bounding,
        "effective": bounding if user_id == 0 else [],
        "permitted": bounding if user_id == 0 else [],
        "inheritable": [],
        "ambient": [],
    }
