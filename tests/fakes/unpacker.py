"""Unpacks archives that are one line of text, as slowly as it is told."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from controller.errors import Invalid
from controller.ports import Unpacked


class FakeUnpacking:
    """See Unpacking."""

    def __init__(self, target_path: Path, pause: Callable[[], int]) -> None:
        self._target_path = target_path
        self._pause = pause
        self._content = b""

    async def feed(self, chunk: bytes) -> None:
        self._content += chunk
        await _wait(self._pause())

    async def finish(self) -> Unpacked:
        await _wait(self._pause())
        return _unpack(self._content, self._target_path)


class FakeFollowing:
    """See Following."""

    def __init__(self, archive_path: Path, target_path: Path, pause: Callable[[], int]) -> None:
        self._archive_path = archive_path
        self._target_path = target_path
        self._pause = pause

    async def grown(self) -> None:
        await _wait(self._pause())

    async def finish(self) -> Unpacked:
        await _wait(self._pause())
        return _unpack(self._archive_path.read_bytes(), self._target_path)


class FakeUnpacker:
    """See Unpacker. `pause` says how many turns of the loop each step takes; `syncs` counts."""

    def __init__(self, pause: Callable[[], int]) -> None:
        self._pause = pause
        self.syncs = 0

    @asynccontextmanager
    async def unpacking(self, target_path: str, *, about: str) -> AsyncIterator[FakeUnpacking]:
        del about
        yield FakeUnpacking(Path(target_path), self._pause)

    @asynccontextmanager
    async def following(
        self, archive_path: str, target_path: str, *, about: str
    ) -> AsyncIterator[FakeFollowing]:
        del about
        yield FakeFollowing(Path(archive_path), Path(target_path), self._pause)

    async def unpack_file(self, archive_path: str, target_path: str, *, about: str) -> Unpacked:
        del about
        await _wait(self._pause())
        return _unpack(Path(archive_path).read_bytes(), Path(target_path))

    async def sync(self, path: str) -> None:
        del path
        await _wait(self._pause())
        self.syncs += 1

    async def empty(self, directory_path: str) -> None:
        for path in list(Path(directory_path).iterdir()):
            await _wait(self._pause())
            _remove(path)

    async def pack(self, directory_path: str, archive_path: str) -> None:
        raise Invalid(f"{directory_path} can't be packed into {archive_path} here")


async def _wait(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def _unpack(content: bytes, target_path: Path) -> Unpacked:
    (target_path / "content").write_bytes(content)
    diff_id = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Unpacked(diff_id=diff_id, size_bytes=len(content), entries=1, ended=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        for each in path.iterdir():
            _remove(each)
        path.rmdir()
    else:
        path.unlink()
