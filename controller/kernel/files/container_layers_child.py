"""The child of `container_files` for layers: `python -m controller.kernel.files.container_layers_child JOB`.

It looks at the writable layer beside those below, which it mounts for itself alone.
"""

import contextlib
import os
import shutil
import sys

from controller.kernel.files.container_files_jobs import Job, Output, run_job
from controller.kernel.files.container_files_layers import Comparison, LayerWriter, Owners
from controller.kernel.files.container_files_roots import leave_mounts
from controller.kernel.roots.overlay import mount_overlay
from controller.trees.paths import open_descriptors

_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def changes(job: Job, output: Output) -> None:
    """Tell what the writable layer changes."""
    with contextlib.ExitStack() as stack:
        output.tell([list(change) for change in _compare(job, stack).list_changes()])


def layer(job: Job, output: Output) -> None:
    """Write the writable layer as a layer of an image."""
    with contextlib.ExitStack() as stack:
        changed = {change.path for change in _compare(job, stack).list_changes()}
        upper_fd = os.open(job["upper"], _OPENED)
        writer = LayerWriter(output, open_descriptors())
        writer.owners = _read_owners(job)
        writer.left_out = frozenset(job["mount_points"]) - changed
        output.tell({"changes": len(changed)})
        writer.add(upper_fd, ".", "")
        writer.close()


def _compare(job: Job, stack: contextlib.ExitStack) -> Comparison:
    leave_mounts()
    view, links = job["view"], f"{job['view']}.links.{os.getpid()}"
    mount_overlay(view, job["lower"], None, links)
    stack.callback(shutil.rmtree, links, ignore_errors=True)
    upper_fd, lower_fd = (os.open(path, _OPENED) for path in (job["upper"], view))
    return Comparison(upper_fd, lower_fd, frozenset(job["mount_points"]), _read_owners(job))


def _read_owners(job: Job) -> Owners:
    return Owners(*job["mapping"]) if job["mapping"] else Owners()


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1], {"changes": changes, "layer": layer}))
