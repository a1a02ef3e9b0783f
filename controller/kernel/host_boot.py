"""Which boot of the machine this is."""

from pathlib import Path


def read_boot_id() -> str:
    """Return the random name of the present boot (random(4), boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
