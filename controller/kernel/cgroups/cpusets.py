"""Processors and memory nodes of the host, for containers that are to run on some of them."""

from pathlib import Path

from controller.errors import Refused
from controller.plan.limits import expand_list

_PRESENT = {
    "processors": Path("/sys/devices/system/cpu/online"),
    "memory nodes": Path("/sys/devices/system/node/online"),
}


def refuse_missing(*, cpus: str | None, mems: str | None) -> None:
    """Refuse lists with numbers that the host has not; None asks for none in particular."""
    for (what, path), wanted in zip(_PRESENT.items(), (cpus, mems), strict=True):
        if not wanted or not path.exists():
            continue
        present = path.read_text().strip()
        missing = expand_list(wanted) - expand_list(present)
        if missing:
            listed = ", ".join(map(str, sorted(missing)[:8]))
            raise Refused(f"{what} {listed} are not there: the host has {present}")
