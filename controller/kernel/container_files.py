"""Files inside containers: `ChildFiles(layout=..., runner=Runner(), roots=...)`.

The work is done by a child for each call, which enters the container's root before it looks at any path in it.
"""

import asyncio
import contextlib
import json
import os
import select
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller import errors
from controller.errors import HoldError, Refused, Unavailable
from controller.kernel.cgroups import Cgroups
from controller.kernel.container_files_pipes import Pipe, read_chunks, write_all
from controller.kernel.subprocesses import Child, Runner, Stdio, describe_code
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant
from controller.plan.oci.namespaces import ID_COUNT
from controller.ports import Roots
from controller.ports.files import FileChange, FileFacts, FilesPlace, FilesRead, PutWant

_PATHS_CHILD = "controller.kernel.container_files_child"
_LAYERS_CHILD = "controller.kernel.container_layers_child"
_MOST_COMPLAINT_BYTES = 1 << 16
_ERRORS: dict[str, type[HoldError]] = {
    each.__name__: each for each in (errors.Invalid, errors.NotFound, errors.Refused, errors.Exhausted)
}


class ChildFiles:
    """Implements `controller.ports.files.ContainerFiles`."""

    def __init__(self, *, layout: Layout, runner: Runner, roots: Roots, cgroups: Cgroups) -> None:
        self._layout = layout
        self._runner = runner
        self._roots = roots
        self._cgroups = cgroups

    @contextlib.asynccontextmanager
    async def reading(self, place: FilesPlace, path: str, *, follow: bool) -> AsyncGenerator[FilesRead]:
        """See ContainerFiles."""
        root = await self._open_root(place)
        job = {"operation": "read", "path": path, "follow": follow, "root": root.description}
        async with self._running(job, root.fds) as work:
            facts = await work.read_header()
            yield FilesRead(
                facts=FileFacts(
                    name=_make_readable(facts["name"]),
                    mode=facts["mode"],
                    size_bytes=facts["size"],
                    modified_at=facts["modified"],
                    link_target=_make_readable(facts["link_target"]),
                ),
                archive=work.read_rest(),
            )

    async def put(self, place: FilesPlace, want: PutWant, chunks: AsyncIterator[bytes]) -> None:
        """See ContainerFiles."""
        root = await self._open_root(place)
        job = {
            "operation": "write",
            "path": want.path,
            "source": [want.name, want.is_directory, want.contents],
            "keep_owner": want.keep_owner,
            "root": root.description,
        }
        async with self._running(job, root.fds) as work:
            with contextlib.suppress(BrokenPipeError):  # the child has ended before its input; it says why
                async for chunk in chunks:
                    await work.write(chunk)
            work.end_input()
            await work.read_header()

    @contextlib.asynccontextmanager
    async def exporting(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See ContainerFiles."""
        job = {"operation": "export", "root": await self._open_overlay(place)}
        async with self._running(job) as work:
            await work.read_header()
            yield work.read_rest()

    @contextlib.asynccontextmanager
    async def packing(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See ContainerFiles."""
        async with self._running(await self._describe_layers("layer", place)) as work:
            await work.read_header()
            yield work.read_rest()

    async def compare(self, place: FilesPlace) -> tuple[FileChange, ...]:
        """See ContainerFiles."""
        async with self._running(await self._describe_layers("changes", place)) as work:
            changes: list[list[str]] = await work.read_header()
        return tuple(FileChange(kind=kind, path=_make_readable(path)) for kind, path in changes)

    async def measure(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """See ContainerFiles."""
        if not uids:
            return {}
        paths = [self._layout.upper_path(uid) for uid in uids]
        async with self._running({"operation": "measure", "paths": paths}) as work:
            sizes: list[int] = await work.read_header()
        return dict(zip(uids, sizes, strict=True))

    async def _open_root(self, place: FilesPlace) -> "_Root":
        """Return the root as the container's processes see it, or would see it."""
        opened = await asyncio.to_thread(self._open_process, place) if place.pid else None
        if opened is not None:
            return opened
        overlay = await self._open_overlay(place)
        shown = sorted(place.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
        mounts = [(mount.source, mount.target, mount.read_only, mount.subpath) for mount in shown]
        return _Root(description=overlay | {"read_only": place.read_only, "shown": mounts})

    def _open_process(self, place: FilesPlace) -> "_Root | None":
        """Open root and user namespace of a container's process; None when that has ended.

        The process is held by a descriptor meanwhile: should it end, its number may be another one's at once.
        """
        try:
            pidfd = os.pidfd_open(place.pid)
        except ProcessLookupError:
            return None
        try:
            if not self._cgroups.owns(place.uid, place.pid):
                return None
            with contextlib.ExitStack() as undo:
                root_fd = os.open(f"/proc/{place.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                undo.callback(os.close, root_fd)
                user_fd = os.open(f"/proc/{place.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
                undo.callback(os.close, user_fd)
                if select.select([pidfd], [], [], 0)[0]:
                    return None
                undo.pop_all()
        except (FileNotFoundError, ProcessLookupError):
            return None
        finally:
            os.close(pidfd)
        return _Root(
            description=_describe_root(f"/proc/self/fd/{root_fd}", user_fd=user_fd), fds=(root_fd, user_fd)
        )

    async def _open_overlay(self, place: FilesPlace) -> dict[str, Any]:
        """Return the overlay alone; it stays mounted, as that of every container is that has its image."""
        if not place.root.lower_paths:
            raise Unavailable("the container has no files yet: its image is not there")
        await self._roots.mount(place.root)
        mapping = _describe_mapping(place.root)
        return _describe_root(self._layout.merged_path(place.uid), mapping=mapping)

    async def _describe_layers(self, operation: str, place: FilesPlace) -> dict[str, Any]:
        await self._open_overlay(place)
        view = Path(f"{self._layout.run_path}/view")
        with translated(str(view)):
            await asyncio.to_thread(view.mkdir, mode=0o700, exist_ok=True)
        return {
            "operation": operation,
            "upper": self._layout.upper_path(place.uid),
            "lower": place.root.lower_paths,
            "view": str(view),
            "mount_points": place.mount_points,
            "mapping": _describe_mapping(place.root),
        }

    @contextlib.asynccontextmanager
    async def _running(self, job: dict[str, Any], fds: tuple[int, ...] = ()) -> "AsyncGenerator[_Work]":
        """Run a child for a job; it is killed when the block ends before it does. It gets `fds`, which are closed here."""
        program = _LAYERS_CHILD if "upper" in job else _PATHS_CHILD
        work = _Work(input=Pipe(), output=Pipe(), complaint_fd=os.memfd_create("complaint"))
        try:
            stdio = Stdio(
                stdin=work.input.read_fd,
                stdout=work.output.write_fd,
                stderr=work.complaint_fd,
                extra_fds=fds,
            )
            child = self._runner.spawn(sys.executable, "-I", "-m", program, json.dumps(job), stdio=stdio)
            work.input.close(work.input.read_fd)
            work.output.close(work.output.write_fd)
            os.set_blocking(work.input.write_fd, False)
            work.child = child
            yield work
        finally:
            for fd in fds:
                os.close(fd)
            await work.end()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Root:
    """A root as the child is told of it, and descriptors that it needs for it."""

    description: dict[str, Any]
    fds: tuple[int, ...] = ()


def _describe_root(
    path: str, *, user_fd: int | None = None, mapping: tuple[int, int] | None = None
) -> dict[str, Any]:
    return {"path": path, "read_only": False, "shown": [], "user_fd": user_fd, "mapping": mapping}


def _make_readable(name: str) -> str:
    """Return a file name as text: bytes that are no UTF-8, which file systems do not mind, are written out."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _describe_mapping(root: RootWant) -> tuple[int, int] | None:
    return (root.id_base, ID_COUNT) if root.id_base else None


@dataclass(kw_only=True, slots=True)
class _Work:
    """A child at work, seen from outside."""

    input: Pipe
    output: Pipe
    complaint_fd: int
    child: Child | None = None
    _rest: bytes = b""
    _chunks: AsyncIterator[bytes] | None = None

    async def write(self, data: bytes) -> None:
        await write_all(self.input.write_fd, data)

    def end_input(self) -> None:
        self.input.close(self.input.write_fd)

    async def read_header(self) -> Any:  # noqa: ANN401
        """Return the line of JSON that an answer begins with; raise what the child complains of instead."""
        self._chunks = read_chunks(self.output.read_fd)
        received = bytearray()
        async for chunk in self._chunks:
            received += chunk
            if b"\n" in chunk:
                line, _, self._rest = bytes(received).partition(b"\n")
                return json.loads(line)
        await self._check()
        raise Refused("the work on the container's files ended without an answer")

    async def read_rest(self) -> AsyncIterator[bytes]:
        """Yield what comes after the header; raise what the child complains of at last."""
        if self._rest:
            yield self._rest
        if self._chunks is not None:
            async for chunk in self._chunks:
                yield chunk
        await self._check()

    async def _check(self) -> None:
        child, self.child = self.child, None
        code = await child.wait() if child is not None else 0
        if code == 0:
            return
        complaint = os.pread(self.complaint_fd, _MOST_COMPLAINT_BYTES, 0).decode(errors="replace")
        try:
            told = json.loads(complaint)
        except ValueError:
            last = complaint.strip().splitlines()[-1:] or [describe_code(code)]
            raise Refused(f"the container's files can't be worked on: {last[0]}") from None
        raise _ERRORS.get(told["error"], Refused)(told["message"])

    async def end(self) -> None:
        """Kill the child if it still runs, and let go of its streams."""
        if self.child is not None:
            self.child.kill()
            await self.child.wait()
        self.input.close_both()
        self.output.close_both()
        os.close(self.complaint_fd)
