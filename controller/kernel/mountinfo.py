"""/proc/self/mountinfo (proc_pid_mountinfo(5))."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO_PATH = "/proc/self/mountinfo"
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One mount: where, of what type, what of the source tree is shown, and the file system's options."""

    target: str
    source_root: str
    kind: str
    source: str
    options: str


def read_mounts() -> Iterator[MountEntry]:
    """Yield the mounts of this process' mount namespace in the order they were made."""
    return parse_mounts(Path(MOUNTINFO_PATH).read_text(errors="surrogateescape"))


def parse_mounts(text: str) -> Iterator[MountEntry]:
    """Yield the entries of a mountinfo text."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        kind, source, options = after.split(" ", 2)
        yield MountEntry(
            target=_unescape(fields[4]),
            source_root=_unescape(fields[3]),
            kind=kind,
            source=_unescape(source),
            options=_unescape(options),
        )


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text
