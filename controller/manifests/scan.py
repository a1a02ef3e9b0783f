"""What a watched directory holds, looked at without trusting that all of it can be seen.

Declared objects are deleted when their files are gone, so everything that merely hides a file (a directory that can't be
read, a link to nothing, a lost mount) has to be told apart from a file that is not there.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.manifests.load import is_manifest

ROOT_SOURCE = "."

Identity = tuple[int, int]
"""Device and inode of a directory: another file system mounted there is another directory."""

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of every manifest of a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One source: its manifests, and why there may be more of them than could be seen (empty when there are not)."""

    identity: Identity
    fingerprint: Fingerprint
    problem: str = ""


def identify(path: Path) -> Identity:
    """Return which directory a path leads to; OSError when to none."""
    status = os.stat(path)  # noqa: PTH116 - as below, by the name that was asked for
    return (status.st_dev, status.st_ino)


def scan_sources(directory_path: Path) -> dict[str, Look]:
    """Return a look at every source of a watched directory; OSError when the directory itself can't be read.

    Files right in it are the source `.`, each directory in it (or link to one) is a source of its own.
    """
    identity = identify(directory_path)
    looks: dict[str, Look] = {}
    own: list[tuple[str, int, int, int]] = []
    problem = ""
    for path, status, trouble in _list_visible(directory_path):
        if status is not None and stat.S_ISDIR(status.st_mode):
            looks[path.name] = _look_below(path, (status.st_dev, status.st_ino))
        elif is_manifest(path):
            problem = problem or trouble
            own.extend(_fingerprint_file(path, status))
        elif trouble:
            looks[path.name] = Look(identity=(0, 0), fingerprint=(), problem=trouble)
    looks[ROOT_SOURCE] = Look(identity=identity, fingerprint=tuple(own), problem=problem)
    return looks


def _look_below(directory_path: Path, identity: Identity) -> Look:
    """Return a look at a source of its own, with all directories below it."""
    found: list[tuple[str, int, int, int]] = []
    problem = ""
    pending = [directory_path]
    while pending:
        here = pending.pop()
        try:
            for path, status, trouble in _list_visible(here):
                if status is not None and stat.S_ISDIR(status.st_mode):
                    if path.is_symlink():
                        problem = (
                            problem or f"{path} is a link to a directory: only those of sources are followed"
                        )
                    else:
                        pending.append(path)
                elif is_manifest(path):
                    problem = problem or trouble
                    found.extend(_fingerprint_file(path, status))
        except OSError as error:
            problem = problem or _explain(here, error)
    return Look(identity=identity, fingerprint=tuple(sorted(found)), problem=problem)


def _list_visible(directory_path: Path) -> Iterator[tuple[Path, os.stat_result | None, str]]:
    """Yield all entries but hidden ones, each with what its name leads to, or why that can't be told."""
    with os.scandir(directory_path) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        path = directory_path / name
        try:
            yield path, path.stat(), ""
        except FileNotFoundError:
            if path.is_symlink():
                yield path, None, f"{path} is a link to something that does not exist"
        except OSError as error:
            yield path, None, _explain(path, error)


def _fingerprint_file(path: Path, status: os.stat_result | None) -> Iterator[tuple[str, int, int, int]]:
    if status is not None and stat.S_ISREG(status.st_mode):
        yield str(path), status.st_ino, status.st_size, status.st_mtime_ns


def _explain(path: Path, error: OSError) -> str:
    return f"{path} can't be read: {(error.strerror or str(error)).lower()}"
