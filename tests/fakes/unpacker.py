"""Unpacks plain tar archives, and what is one line of text as if it were one, as slowly as it is told."""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from controller.errors import Invalid, NotFound
from controller.ports import Unpacked

_MAGIC = slice(257, 262)
"""Where a header of tar says that it is one."""


class FakeUnpacking:
    """See Unpacking."""

    def __init__(self, target_path: Path, pause: Callable[[], int], about: str) -> None:
        self._target_path = target_path
        self._pause = pause
        self._about = about
        self._content = b""

    async def feed(self, chunk: bytes) -> None:
        self._content += chunk
        await _wait(self._pause())

    async def finish(self) -> Unpacked:
        await _wait(self._pause())
        return _unpack(self._content, self._target_path, self._about)


class FakeFollowing:
    """See Following."""

    def __init__(self, paths: tuple[Path, Path], pause: Callable[[], int], about: str) -> None:
        self._archive_path, self._target_path = paths
        self._pause = pause
        self._about = about

    async def grown(self) -> None:
        await _wait(self._pause())

    async def finish(self) -> Unpacked:
        await _wait(self._pause())
        return _unpack(self._archive_path.read_bytes(), self._target_path, self._about)


class FakeUnpacker:
    """See Unpacker. `pause` says how many turns of the loop each step takes; `syncs` counts."""

    def __init__(self, pause: Callable[[], int]) -> None:
        self._pause = pause
        self.syncs = 0

    @asynccontextmanager
    async def unpacking(self, target_path: str, *, about: str) -> AsyncIterator[FakeUnpacking]:
        yield FakeUnpacking(Path(target_path), self._pause, about)

    @asynccontextmanager
    async def following(
        self, archive_path: str, target_path: str, *, about: str
    ) -> AsyncIterator[FakeFollowing]:
        yield FakeFollowing((Path(archive_path), Path(target_path)), self._pause, about)

    async def unpack_file(self, archive_path: str, target_path: str, *, about: str) -> Unpacked:
        await _wait(self._pause())
        if not Path(archive_path).exists():
            raise NotFound(f"archive {archive_path} does not exist")
        return _unpack(Path(archive_path).read_bytes(), Path(target_path), about)

    async def sync(self, path: str) -> None:
        del path
        await _wait(self._pause())
        self.syncs += 1

    async def empty(self, directory_path: str) -> None:
        for path in list(Path(directory_path).iterdir()):
            await _wait(self._pause())
            _remove(path)

    async def pack(self, directory_path: str, archive_path: str) -> None:
        if not Path(directory_path).is_dir():
            raise NotFound(f"directory {directory_path} does not exist")
        with tarfile.open(archive_path, "w") as archive:
            archive.add(directory_path, arcname=".")


async def _wait(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def _unpack(content: bytes, target_path: Path, about: str) -> Unpacked:
    diff_id = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if content[_MAGIC] != b"ustar":
        if not content.isascii():
            raise Invalid(f"{about} is no archive")
        (target_path / "content").write_bytes(content)
        return Unpacked(diff_id=diff_id, size_bytes=len(content), entries=1, ended=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = archive.getmembers()
            for member in members:
                _make(archive, member, target_path)
    except tarfile.ReadError as error:
        raise Invalid(f"{about} is cut off") from error
    size_bytes = sum(member.size for member in members)
    return Unpacked(diff_id=diff_id, size_bytes=size_bytes, entries=len(members), ended=True)


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, target_path: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        (target_path / member.name).mkdir(exist_ok=True)
    else:
        (target_path / member.name).write_bytes(source.read())


def _remove(path: Path) -> None:
    if path.is_dir():
        for each in path.iterdir():
            _remove(each)
        path.rmdir()
    else:
        path.unlink()
