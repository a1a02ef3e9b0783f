"""The child of `container_files` for paths: `python -m controller.kernel.files.container_files_child JOB`.

It enters the container's root before it looks at any path in it.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Iterator

from controller.errors import Invalid, NotFound
from controller.kernel.files.container_files_jobs import Job, Output, run_job
from controller.kernel.files.container_files_roots import (
    Mapping,
    RootView,
    Shown,
    enter,
    open_from,
    open_inside,
)
from controller.trees.landing import Source, Target, asks_for_directory, choose_landing
from controller.trees.paths import Place, located, open_descriptors
from controller.trees.planter import Ground, Planter, Rules
from controller.trees.writer import TreeWriter

_READ_BYTES = 1 << 20
_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read(job: Job, output: Output) -> None:
    """Write what is at a path: a line about it, then the tree."""
    descriptors_fd = _enter(job)
    path = job["path"]
    with _placed(path, follow=job["follow"]) as place:
        if place.status is None:
            raise NotFound(f"{path} does not exist in the container")
        if asks_for_directory(path) and not place.is_directory:
            raise Invalid(f"{path} is not a directory in the container: leave the slash out")
        entry = _choose_entry(path)
        writer = TreeWriter(output, descriptors_fd)
        output.tell(_describe(place, entry))
        writer.add(place.directory_fd, place.name, entry)
        writer.close()


def _choose_entry(path: str) -> str:
    """Return what a thing is called in its archive: as the path calls it, not as a link does."""
    return os.path.normpath(f"/{path}").rpartition("/")[2] or "root"


def _describe(place: Place, entry: str) -> dict[str, object]:
    status = place.status
    if status is None:
        return {}
    is_link = stat.S_ISLNK(status.st_mode)
    return {
        "name": entry,
        "mode": status.st_mode,
        "size": status.st_size,
        "modified": status.st_mtime,
        "link_target": os.readlink(place.name, dir_fd=place.directory_fd) if is_link else "",
    }


def write(job: Job, output: Output) -> None:
    """Unpack standard input to where it belongs."""
    descriptors_fd = _enter(job)
    path, source = job["path"], Source(*job["source"])
    with contextlib.ExitStack() as stack, _placed(path, follow=True) as place:
        target = Target(path, exists=place.status is not None, is_directory=place.is_directory)
        landing = choose_landing(source, target)
        directory_fd, name = place.directory_fd, landing.name
        if not landing.inside:
            name = place.name
        elif place.name != ".":
            directory_fd = os.open(place.name, os.O_PATH | _OPENED, dir_fd=place.directory_fd)
            stack.callback(os.close, directory_fd)
        ground = Ground(directory_fd, lambda inner: open_from(directory_fd, inner), descriptors_fd)
        planter = Planter(ground, Rules(name, None if job["keep_owner"] else (0, 0)))
        stack.callback(planter.close)
        entries = planter.plant(sys.stdin.buffer)
    while sys.stdin.buffer.read(_READ_BYTES):
        continue  # what follows the archive's end; whoever sends it must not be cut off
    output.tell({"entries": entries})


def export(job: Job, output: Output) -> None:
    """Write the whole root, without its own entry."""
    descriptors_fd = _enter(job)
    writer = TreeWriter(output, descriptors_fd)
    output.tell({})
    root_fd = open_inside("")
    writer.add(root_fd, ".", "")
    writer.close()


def measure(job: Job, output: Output) -> None:
    """Tell the bytes of files in each directory; a file with several names counts once."""
    output.tell([_measure(path) for path in job["paths"]])


def _measure(path: str) -> int:
    total, seen = 0, set()
    try:
        for _, _, names, directory_fd in os.fwalk(path, follow_symlinks=False):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
                    if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
    except FileNotFoundError:
        return total
    return total


def _enter(job: Job) -> int:
    """Enter the container's root; returns what `open_descriptors` gives, of before."""
    descriptors_fd, root = open_descriptors(), job["root"]
    shown = tuple(Shown(*each) for each in root["shown"])
    mapping = Mapping(*root["mapping"]) if root["mapping"] else None
    view = RootView(root["path"], root["read_only"], shown, mapping, root["user_fd"])
    enter(view)
    return descriptors_fd


@contextlib.contextmanager
def _placed(path: str, *, follow: bool) -> Iterator[Place]:
    """Give the place of a path in the container; NotFound and Invalid in words of the path."""
    try:
        with located(f"/{path}", open_inside, follow=follow) as place:
            yield place
    except FileNotFoundError as error:
        raise NotFound(f"the directory of {path} does not exist in the container") from error
    except NotADirectoryError as error:
        raise Invalid(f"a part of {path} is not a directory in the container") from error


OPERATIONS = {
    "read": read,
    "write": write,
    "export": export,
    "measure": measure,
}


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], OPERATIONS))
