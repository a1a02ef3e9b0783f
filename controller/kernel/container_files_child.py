"""The child of `container_files`: `python -m controller.kernel.container_files_child JOB`.

JOB is a JSON object with the name of the operation. Streams go through standard input and output; a stream that comes
out begins with a line of JSON. What fails is told on standard error as a JSON object with the class of the error.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from typing import Any

from controller.errors import Exhausted, HoldError, Invalid, NotFound, Refused
from controller.kernel.container_files_layers import Comparison, LayerWriter
from controller.kernel.container_files_roots import (
    RootView,
    Shown,
    enter,
    leave_mounts,
    open_from,
    open_inside,
)
from controller.kernel.overlay import mount_overlay
from controller.trees.landing import Source, Target, asks_for_directory, choose_landing
from controller.trees.paths import Place, located, open_descriptors
from controller.trees.planter import Ground, Planter, Rules
from controller.trees.writer import TreeWriter

EXIT_FAILED = 3
_READ_BYTES = 1 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Output:
    """Standard output, to which everything is written whole."""

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]

    def tell(self, document: object) -> None:
        """Write a line of JSON."""
        self.write(json.dumps(document).encode() + b"\n")


def read(job: dict[str, Any], output: _Output) -> None:
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


def write(job: dict[str, Any], output: _Output) -> None:
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


def export(job: dict[str, Any], output: _Output) -> None:
    """Write the whole root, without its own entry."""
    descriptors_fd = _enter(job)
    writer = TreeWriter(output, descriptors_fd)
    output.tell({})
    root_fd = open_inside("")
    writer.add(root_fd, ".", "")
    writer.close()


def changes(job: dict[str, Any], output: _Output) -> None:
    """Tell what the writable layer changes."""
    with contextlib.ExitStack() as stack:
        output.tell([list(change) for change in _compare(job, stack).list_changes()])


def layer(job: dict[str, Any], output: _Output) -> None:
    """Write the writable layer as a layer of an image."""
    with contextlib.ExitStack() as stack:
        changed = {change.path for change in _compare(job, stack).list_changes()}
        upper_fd = os.open(job["upper"], _OPENED)
        writer = LayerWriter(output, open_descriptors())
        writer.left_out = frozenset(job["mount_points"]) - changed
        output.tell({"changes": len(changed)})
        writer.add(upper_fd, ".", "")
        writer.close()


def _compare(job: dict[str, Any], stack: contextlib.ExitStack) -> Comparison:
    leave_mounts()
    view, links = job["view"], f"{job['view']}.links.{os.getpid()}"
    mount_overlay(view, job["lower"], None, links)
    stack.callback(shutil.rmtree, links, ignore_errors=True)
    upper_fd, lower_fd = (os.open(path, _OPENED) for path in (job["upper"], view))
    return Comparison(upper_fd, lower_fd, frozenset(job["mount_points"]))


def measure(job: dict[str, Any], output: _Output) -> None:
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


def _enter(job: dict[str, Any]) -> int:
    """Enter the container's root; returns what `open_descriptors` gives, of before."""
    descriptors_fd, root = open_descriptors(), job["root"]
    shown = tuple(Shown(*each) for each in root["shown"])
    enter(RootView(path=root["path"], read_only=root["read_only"], shown=shown))
    return descriptors_fd


@contextlib.contextmanager
def _placed(path: str, *, follow: bool) -> Any:  # noqa: ANN401
    """Give the place of a path in the container; NotFound and Invalid in words of the path."""
    try:
        with located(f"/{path}", open_inside, follow=follow) as place:
            yield place
    except FileNotFoundError as error:
        raise NotFound(f"the directory of {path} does not exist in the container") from error
    except NotADirectoryError as error:
        raise Invalid(f"a part of {path} is not a directory in the container") from error


OPERATIONS: dict[str, Callable[[dict[str, Any], _Output], None]] = {
    "read": read,
    "write": write,
    "export": export,
    "changes": changes,
    "layer": layer,
    "measure": measure,
}


def main(text: str) -> int:
    """Carry out a job; returns the exit code."""
    job = json.loads(text)
    try:
        OPERATIONS[job["operation"]](job, _Output())
    except HoldError as error:
        told = {"error": type(error).__name__, "message": error.message}
    except BrokenPipeError:
        return EXIT_FAILED
    except OSError as error:
        kind = Exhausted if error.errno in _NO_SPACE else Refused
        words = (error.strerror or str(error)).lower()
        told = {"error": kind.__name__, "message": f"{job.get('path') or 'the container'}: {words}"}
    else:
        return 0
    sys.stderr.write(json.dumps(told))
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
