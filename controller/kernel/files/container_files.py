"""Files inside containers: `ChildFiles(layout=..., runner=Runner(), roots=...)`.

The work is done by a child for each call, which enters the container's root before it looks at any path in it.
"""

import asyncio
import contextlib
import os
import select
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.blocking import opened
from controller.errors import Unavailable
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.files.container_files_work import Work, running
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant
from controller.plan.oci.namespaces import ID_COUNT
from controller.ports import Roots
from controller.ports.files import FileChange, FileFacts, FilesPlace, FilesRead, PutWant


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
        async with self._working(place, {"operation": "read", "path": path, "follow": follow}) as work:
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
        job = {
            "operation": "write",
            "path": want.path,
            "source": [want.name, want.is_directory, want.contents],
            "keep_owner": want.keep_owner,
        }
        async with self._working(place, job) as work:
            with contextlib.suppress(BrokenPipeError):  # the child has ended before its input; it says why
                async for chunk in chunks:
                    await work.write(chunk)
            work.end_input()
            await work.read_header()

    @contextlib.asynccontextmanager
    async def exporting(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See ContainerFiles."""
        job = {"operation": "export", "root": await self._open_overlay(place)}
        async with running(self._runner, job) as work:
            await work.read_header()
            yield work.read_rest()

    @contextlib.asynccontextmanager
    async def packing(self, place: FilesPlace) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See ContainerFiles."""
        async with running(self._runner, await self._describe_layers("layer", place)) as work:
            await work.read_header()
            yield work.read_rest()

    async def compare(self, place: FilesPlace) -> tuple[FileChange, ...]:
        """See ContainerFiles."""
        async with running(self._runner, await self._describe_layers("changes", place)) as work:
            changes: list[list[str]] = await work.read_header()
        return tuple(FileChange(kind=kind, path=_make_readable(path)) for kind, path in changes)

    async def measure(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """See ContainerFiles."""
        if not uids:
            return {}
        paths = [self._layout.upper_path(uid) for uid in uids]
        async with running(self._runner, {"operation": "measure", "paths": paths}) as work:
            sizes: list[int] = await work.read_header()
        return dict(zip(uids, sizes, strict=True))

    @contextlib.asynccontextmanager
    async def _working(self, place: FilesPlace, job: dict[str, Any]) -> AsyncGenerator[Work]:
        """Run a child for a job in a container's root, as its processes see it, or would see it."""
        async with opened(lambda: self._open_process(place), _close_root) as found:
            root = found or await self._describe_overlay(place)
            async with running(self._runner, {**job, "root": root.description}, root.fds) as work:
                yield work

    async def _describe_overlay(self, place: FilesPlace) -> "_Root":
        overlay = await self._open_overlay(place)
        shown = sorted(place.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
        mounts = [(mount.source, mount.target, mount.read_only, mount.subpath) for mount in shown]
        return _Root(description=overlay | {"read_only": place.read_only, "shown": mounts})

    def _open_process(self, place: FilesPlace) -> "_Root | None":
        """Open root and user namespace of a container's process; None when there is none, or it has ended.

        The process is held by a descriptor meanwhile: should it end, its number may be another one's at once.
        """
        if not place.pid:
            return None
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Root:
    """A root as the child is told of it, and descriptors that it needs for it."""

    description: dict[str, Any]
    fds: tuple[int, ...] = ()


def _close_root(root: _Root | None) -> None:
    for fd in root.fds if root is not None else ():
        os.close(fd)


def _describe_root(
    path: str, *, user_fd: int | None = None, mapping: tuple[int, int] | None = None
) -> dict[str, Any]:
    return {"path": path, "read_only": False, "shown": [], "user_fd": user_fd, "mapping": mapping}


def _make_readable(name: str) -> str:
    """Return a file name as text: bytes that are no UTF-8, which file systems do not mind, are written out."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _describe_mapping(root: RootWant) -> tuple[int, int] | None:
    return (root.id_base, ID_COUNT) if root.id_base else None
