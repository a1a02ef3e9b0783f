"""Volumes: made, removed, copied, packed, unpacked. Docker has no commands for the last three: people use a container."""

import functools
import os
import shlex
import statistics
import subprocess
from pathlib import Path

from tests.bench.commands import CommandFailed, time_s
from tests.bench.engines import IMAGE, Engine
from tests.bench.measures import Rows

_RUNS = 3
_MANY = 9
_FILES = 2000
_MEGABYTES = 64
_FILL = (
    f"head -c {_MEGABYTES}000000 /dev/urandom >/d/big; mkdir /d/small; i=0; "
    f"while [ $i -lt {_FILES} ]; do i=$((i+1)); head -c 8000 /d/big >/d/small/$i; done"
)
_CONTENT = f"{_FILES:,} files, {_MEGABYTES} MB"

CREATE = "volume create"
REMOVE = "volume rm"
COPY = f"snapshot of a volume, {_CONTENT}"
BACKUP = f"volume to a tar archive, {_CONTENT}"
RESTORE = f"volume from a tar archive, {_CONTENT}"


def measure_volumes(engine: Engine, scratch_path: Path) -> Rows:
    """Return seconds by row."""
    rows: Rows = {}
    names = [f"bench{index}" for index in range(_MANY)]
    rows[CREATE] = _median_s(engine, [("volume", "create", name) for name in names])
    rows[REMOVE] = _median_s(engine, [("volume", "rm", name) for name in names])
    engine.run("run", "--rm", "--network", "none", "-v", "data:/d", IMAGE, "sh", "-c", _FILL)
    archive_path = scratch_path / f"{engine.name}-volume.tar"
    try:
        rows |= _measure_contents(engine, archive_path)
    finally:
        archive_path.unlink(missing_ok=True)
        engine.run("volume", "rm", "data")
    return rows


def _measure_contents(engine: Engine, archive_path: Path) -> Rows:
    copies, backups, restores = [], [], []
    for index in range(_RUNS):
        copy, target = f"copy{index}", f"target{index}"
        copies.append(time_s(functools.partial(_copy, engine, copy)))
        backups.append(time_s(functools.partial(_back_up, engine, archive_path)))
        engine.run("volume", "create", target)
        restores.append(time_s(functools.partial(_restore, engine, archive_path, target)))
        engine.run("volume", "rm", target)
        engine.run(*(("volume", "snapshot", "rm") if engine.name == "hold" else ("volume", "rm")), copy)
    return {
        COPY: statistics.median(copies),
        BACKUP: statistics.median(backups),
        RESTORE: statistics.median(restores),
    }


def _copy(engine: Engine, name: str) -> None:
    if engine.name == "hold":
        engine.run("volume", "snapshot", "create", "data", name)
        return
    mounts = ("-v", "data:/from:ro", "-v", f"{name}:/to")
    engine.run("run", "--rm", "--network", "none", *mounts, IMAGE, "cp", "-a", "/from/.", "/to")


def _back_up(engine: Engine, archive_path: Path) -> None:
    if engine.name in ("hold", "Podman"):
        engine.run("volume", "export", "data", "-o", str(archive_path))
        return
    _pipe(engine, f">{archive_path}", "run", "--rm", "--network", "none", "-v", "data:/d:ro", IMAGE, "tar", "-cf", "-", "-C", "/d", ".")  # fmt: skip


def _restore(engine: Engine, archive_path: Path, name: str) -> None:
    if engine.name in ("hold", "Podman"):
        engine.run("volume", "import", name, str(archive_path))
        return
    _pipe(engine, f"<{archive_path}", "run", "-i", "--rm", "--network", "none", "-v", f"{name}:/d", IMAGE, "tar", "-xf", "-", "-C", "/d")  # fmt: skip


def _pipe(engine: Engine, redirection: str, *words: str) -> None:
    """Run a command with a stream in or out of a file, as a person types it."""
    line = f"{shlex.join((*engine.command, *words))} {redirection}"
    environment = {**os.environ, **engine.environment}
    if subprocess.run(["sh", "-c", line], env=environment, check=False).returncode != 0:
        raise CommandFailed(line)


def _median_s(engine: Engine, commands: list[tuple[str, ...]]) -> float:
    return statistics.median(time_s(functools.partial(engine.run, *words)) for words in commands)
