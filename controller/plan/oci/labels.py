"""SELinux labels of a container (label= of Docker's security options)."""

from collections.abc import Sequence

_LABEL = {"user": "system_u", "role": "system_r", "type": "container_t", "level": "s0"}


def derive_label(labels: Sequence[str]) -> str:
    """Return the SELinux label that options make of the usual one; empty when there are none, or for disable."""
    if not labels or "disable" in labels:
        return ""
    parts = _LABEL | dict(label.split(":", 1) for label in labels)
    return ":".join(parts[name] for name in _LABEL)
