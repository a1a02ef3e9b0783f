"""/proc/self/mountinfo (proc_pid_mountinfo(5))."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO_PATH = "/proc/self/mountinfo"
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One mount: where, of what type, what of the source tree is shown, and the file system's options.

    `device` is the number that stat(2) gives for files of the file system. `propagation` has the optional fields, such
    as `shared:1 master:2`.
    """

    target: str
    device: int
    source_root: str
    kind: str
    source: str
    options: str
    propagation: str = ""


def read_mounts(beginning: str = "") -> Iterator[MountEntry]:
    """Yield the mounts of this process' mount namespace in the order they were made.

    Only those whose target begins so; a host with many containers has thousands of others, which cost less unparsed.
    """
    return parse_mounts(Path(MOUNTINFO_PATH).read_text(errors="surrogateescape"), beginning)


def read_mount_id(fd: int) -> int:
    """Return the number of the mount that a descriptor's file lies on (proc_pid_fdinfo(5))."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))


def is_mount_point(directory_fd: int) -> bool:
    """Tell whether a directory lies on another mount than the one that it is in; costs little with many mounts."""
    above_fd = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        return read_mount_id(directory_fd) != read_mount_id(above_fd)
    finally:
        os.close(above_fd)


def parse_mounts(text: str, beginning: str = "") -> Iterator[MountEntry]:
    """Yield the entries of a mountinfo text whose target begins so."""
    sign = f" {_escape(beginning)}"
    for line in text.splitlines():
        if sign not in line or not line.split(" ", 5)[4].startswith(sign[1:]):
            continue
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        kind, source, options = after.split(" ", 2)
        major, _, minor = fields[2].partition(":")
        yield MountEntry(
            target=_unescape(fields[4]),
            device=os.makedev(int(major), int(minor)),
            source_root=_unescape(fields[3]),
            kind=kind,
            source=_unescape(source),
            options=_unescape(options),
            propagation=" ".join(fields[6:]),
        )


def _escape(text: str) -> str:
    return re.sub(r"[ \t\n\\]", lambda match: f"\\{ord(match[0]):03o}", text)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text
