"""The file system that the virtual machine starts with, as the kernel wants it (initramfs buffer format, newc)."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_END = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or, without content, a directory."""

    name: str
    content: bytes | None = None


def render_initramfs(entries: Iterable[Entry]) -> bytes:
    """Return the archive; every file can be executed."""
    archive = bytearray()
    for number, entry in enumerate([*entries, Entry(name=_END, content=b"")], start=1):
        kind = stat.S_IFDIR if entry.content is None else stat.S_IFREG
        content, name = entry.content or b"", entry.name.encode() + b"\0"
        fields = (number, kind | 0o755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4)
        archive += content
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def list_entries(busybox_path: Path, init: str, modules: Iterable[Path], command: str) -> list[Entry]:
    """Return busybox, the script `init`, the modules in the order of their loading, and the command to run."""
    entries = [Entry(name=name) for name in ("bin", "dev", "proc", "sys", "modules", "host", "over", "root")]
    entries.append(Entry(name="bin/busybox", content=busybox_path.read_bytes()))
    entries.append(Entry(name="init", content=init.encode()))
    entries.append(Entry(name="command", content=command.encode()))
    for number, path in enumerate(modules):
        entries.append(Entry(name=f"modules/{number:02}-{path.name}", content=path.read_bytes()))
    return entries
