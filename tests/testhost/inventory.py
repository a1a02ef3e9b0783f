"""What a host has, so that a test can show that nothing was left on it."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FIREWALL_PROGRAMS = ("iptables-save", "ip6tables-save")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The kernel objects of a host, each as a line that names it."""

    links: frozenset[str]
    addresses: frozenset[str]
    routes: frozenset[str]
    firewall: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]

    def added_since(self, before: "Inventory") -> tuple[str, ...]:
        """What is here now and was not before, sorted; empty when nothing was left."""
        return tuple(
            f"{aspect}: {line}"
            for aspect in self.__slots__
            for line in sorted(getattr(self, aspect) - getattr(before, aspect))
        )


def read_inventory() -> Inventory:
    """Read the calling process' host; kernel threads and processes that have ended are left out."""
    return Inventory(
        links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        addresses=_read_lines("ip", "-o", "address", "show"),
        routes=_read_lines("ip", "-o", "route", "show", "table", "all"),
        firewall=frozenset(line for program in _FIREWALL_PROGRAMS for line in _read_rules(program)),
        namespaces=frozenset(_list_folder(Path("/run/netns"))),
        mounts=frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        cgroups=frozenset(folder for folder, _, _ in os.walk("/sys/fs/cgroup")),
        processes=frozenset(_list_processes()),
    )


def _read_lines(*command: str) -> frozenset[str]:
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return frozenset(" ".join(line.split()) for line in answer.stdout.splitlines())


def _read_rules(program: str) -> Iterable[str]:
    """Chains and rules without counters; the built-in chains, which appear when first looked at, are left out."""
    table = ""
    for line in _read_text(program).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A") or (line.startswith(":") and line.split()[1] == "-"):
            yield f"{program} {table} {line.split(' [')[0]}"


def _read_text(program: str) -> str:
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def _list_folder(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()] if path.is_dir() else []


def _list_processes() -> Iterable[str]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if words[0]:
                yield f"{path.name} {b' '.join(words).decode(errors='replace').strip()}"
