"""Which machine this is, and which boot of it."""

from pathlib import Path


def read_boot_id() -> str:
    """Return the random name of the present boot (random(4), boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_machine_id() -> str:
    """Return what tells this machine from others for as long as it is installed (machine-id(5)); empty without it."""
    path = Path("/etc/machine-id")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""
