"""What is in volumes: `VolumeFiles(layout=..., runner=Runner(), mounts=VolumeMounts(...))`."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

from controller.errors import InUse, Invalid, NotFound, Refused, Unavailable
from controller.kernel.files.container_files_pipes import Pipe, read_chunks
from controller.kernel.subprocesses import Child, Runner, Stdio, describe_code
from controller.kernel.translation import translated
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from controller.kernel.volumes.prefill import copy_from_layers, copy_jailed
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.whole_copies import Workplace, create, fill, replace
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant, VolumeWant

_NO_LIMITS = UnpackLimits(most_bytes=1 << 62, most_entries=1 << 62, as_layer=False)
_PACK = (
    "tar", "--create", "--format=posix", "--pax-option=delete=atime,delete=ctime", "--sparse", "--xattrs",
    "--xattrs-include=*", "--numeric-owner", "--sort=name", "--one-file-system",
)  # fmt: skip
_SOME_CHANGED = 1
"""Exit code of tar when files changed or vanished while it read them."""
_MOST_COMPLAINT_BYTES = 1 << 16


class VolumeFiles:
    """Implements `controller.ports.VolumeContents`."""

    def __init__(self, *, layout: Layout, runner: Runner, mounts: VolumeMounts) -> None:
        self._layout = layout
        self._runner = runner
        self._mounts = mounts
        self._jail_path = Path(layout.run_path, "jail")
        self._unpacker = ChrootUnpacker(runner=runner, limits=_NO_LIMITS)
        self._locks: dict[Uid, asyncio.Lock] = {}
        self._workers: Counter[Uid] = Counter()
        self._changing: set[Uid] = set()
        self._readers: Counter[Uid] = Counter()

    async def prefill(self, volume: VolumeWant, source: RootWant, path: str) -> None:
        """See VolumeContents."""
        view_path = Path(self._layout.run_path, "prefill", source.uid)

        async def make(growing_path: Path) -> bool:
            return await copy_from_layers(self._runner, source, path, view_path, growing_path)

        data_path = Path(self._layout.volume_path(volume.uid))
        if not await asyncio.to_thread(os.path.lexists, data_path):
            raise Unavailable(f"the volume's directory {data_path} is gone: it is about to be made anew")
        with contextlib.suppress(InUse):  # somebody has it already, so it is not for this one to fill
            async with self._working(volume, lasting=True) as place:
                await fill(place, make)

    async def copy(self, volume: Uid, source: VolumeWant) -> None:
        """See VolumeContents."""
        async with self._working(VolumeWant(uid=volume)) as place, self._opened(source) as path:

            async def make(growing_path: Path) -> bool:
                await copy_jailed(self._runner, path, growing_path, self._jail_path)
                return True

            await create(place, make)

    @contextlib.asynccontextmanager
    async def keeping(self, volume: VolumeWant) -> AsyncGenerator[None]:
        """See VolumeContents."""
        with translated(f"volume {volume.uid}"):
            async with self._mounts.kept(volume):
                yield

    @contextlib.asynccontextmanager
    async def reading(self, volume: VolumeWant) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See VolumeContents."""
        async with self._opened(volume) as path:
            packing = _Packing()
            try:
                packing.begin(self._runner, path)
                yield packing.read()
            finally:
                await packing.end()

    async def restore(self, volume: VolumeWant, chunks: AsyncIterator[bytes], *, force: bool) -> None:
        """See VolumeContents."""

        async def make(growing_path: Path) -> bool:
            async with self._unpacker.unpacking(str(growing_path), about="the archive") as unpacking:
                async for chunk in chunks:
                    await unpacking.feed(chunk)
                unpacked = await unpacking.finish()
            _check_end(ended=unpacked.ended)
            return True

        async with self._working(volume) as place:
            self._check_unread(volume)
            await replace(place, make, force=force)

    async def revert(self, volume: VolumeWant, source: VolumeWant, *, force: bool) -> None:
        """See VolumeContents."""
        async with self._working(volume) as place, self._opened(source) as path:
            self._check_unread(volume)

            async def make(growing_path: Path) -> bool:
                await copy_jailed(self._runner, path, growing_path, self._jail_path)
                return True

            await replace(place, make, force=force)

    @contextlib.asynccontextmanager
    async def _working(self, volume: VolumeWant, *, lasting: bool = False) -> AsyncGenerator[Workplace]:
        """Give the place where a volume's content grows, to one at a time."""
        data_path = Path(self._layout.volume_path(volume.uid))
        with translated(f"volume {volume.uid}"):
            async with self._alone(volume.uid), self._mounts.kept(volume, lasting=lasting):
                self._changing.add(volume.uid)
                try:
                    if not volume.is_mounted:
                        yield Workplace.beside(data_path)
                    else:
                        async with self._mounts.undisturbed(volume.uid):
                            yield Workplace.inside(data_path)
                finally:
                    self._changing.discard(volume.uid)

    @contextlib.asynccontextmanager
    async def _alone(self, volume: Uid) -> AsyncGenerator[None]:
        """Let one at a time in; what the last one leaves is forgotten."""
        lock = self._locks.setdefault(volume, asyncio.Lock())
        self._workers[volume] += 1
        try:
            async with lock:
                yield
        finally:
            self._workers[volume] -= 1
            if not self._workers[volume]:
                del self._workers[volume], self._locks[volume]

    @contextlib.asynccontextmanager
    async def _opened(self, volume: VolumeWant) -> AsyncGenerator[str]:
        """Give the path of a volume's data to read from, for whatever program, while its mount stays."""
        if volume.uid in self._changing:
            raise Unavailable("the volume is being filled: try again when that is over")
        self._readers[volume.uid] += 1
        try:
            async with self._mounts.kept(volume):
                with _opened_directory(self._layout.volume_path(volume.uid)) as path:
                    yield path
        finally:
            self._readers[volume.uid] -= 1
            if not self._readers[volume.uid]:
                del self._readers[volume.uid]

    def _check_unread(self, volume: VolumeWant) -> None:
        if self._readers[volume.uid]:
            raise Unavailable("the volume is being copied: try again when that is over")


@contextlib.contextmanager
def _opened_directory(path: str) -> Iterator[str]:
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise NotFound("the volume has no directory yet: wait until it is Ready") from exc
    try:
        yield f"/proc/{os.getpid()}/fd/{fd}"
    finally:
        os.close(fd)


class _Packing:
    """A tar at work on a directory."""

    def __init__(self) -> None:
        self._output = Pipe()
        self._complaint_fd = os.memfd_create("complaint")
        self._child: Child | None = None

    def begin(self, runner: Runner, path: str) -> None:
        """Start it."""
        stdio = Stdio(stdout=self._output.write_fd, stderr=self._complaint_fd)
        self._child = runner.spawn(*_PACK, "-C", path, ".", stdio=stdio)
        self._output.close(self._output.write_fd)

    async def read(self) -> AsyncIterator[bytes]:
        """Yield the stream; Refused at its end when tar could not read everything."""
        async for chunk in read_chunks(self._output.read_fd):
            yield chunk
        child, self._child = self._child, None
        code = await child.wait() if child is not None else 0
        if code in (0, _SOME_CHANGED):
            return
        complaint = os.pread(self._complaint_fd, _MOST_COMPLAINT_BYTES, 0).decode(errors="replace")
        lines = complaint.strip().splitlines() or [describe_code(code)]
        raise Refused(f"the volume can't be read whole: {lines[0].removeprefix('tar: ')}")

    async def end(self) -> None:
        """Kill it if it still runs, and let go of its streams."""
        if self._child is not None:
            self._child.kill()
            await self._child.wait()
        self._output.close_both()
        os.close(self._complaint_fd)


def _check_end(*, ended: bool) -> None:
    if not ended:
        raise Invalid("the archive has no end, it may have been cut off: get it again")
