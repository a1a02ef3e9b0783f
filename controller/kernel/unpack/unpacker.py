"""Takes archives apart in a child that is confined to the directory they go to: `ChrootUnpacker(runner=...)`."""

import asyncio
import contextlib
import fcntl
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from controller.errors import Damaged, Exhausted, Invalid, NotFound, Refused
from controller.kernel import syscalls
from controller.kernel.subprocesses import Child, Runner, Stdio, describe_code
from controller.kernel.translation import translated
from controller.kernel.writable import wait_writable
from controller.ports import Unpacked

_CHILD = "controller.kernel.unpack.unpack_child"
_TIMEOUT_S = 3600.0
_PIPE_BYTES = 1 << 20
"""Not more than /proc/sys/fs/pipe-max-size usually is, and little enough to stay in the processor's cache."""
_ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 25)}
"""Keeps the C library from giving each block of memory back at once, to get it page by page again (mallopt(3))."""
_ERRORS = {"invalid": Invalid, "exhausted": Exhausted, "refused": Refused}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackLimits:
    """What one archive may come to: bytes of its plain archive and of its files, and number of entries.

    `as_layer` tells whether it is an image's: names of whiteouts are no files then, and what unpacks to many times its
    size is taken for a bomb.
    """

    most_bytes: int
    most_entries: int
    as_layer: bool = True


class ChrootUnpacker:
    """Implements `controller.ports.Unpacker`.

    The child changes its root to the target directory before it reads the first byte, so that no name in the archive
    can mean anything outside of it.
    """

    def __init__(self, *, runner: Runner, limits: UnpackLimits) -> None:
        self._runner = runner
        self._limits = limits

    @contextlib.asynccontextmanager
    async def following(
        self, archive_path: str, target_path: str, *, about: str
    ) -> AsyncIterator["FollowedFile"]:
        """See Unpacker."""
        with contextlib.ExitStack() as opened:
            with translated(about):
                news, write_end = _open_pipe(opened)
                archive_fd = os.open(archive_path, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, archive_fd)
            child = self._spawn(archive_fd, target_path, about, news.fileno())
            news.close()
            following = FollowedFile(child, write_end)
            try:
                yield following
            finally:
                await following.give_up()

    @contextlib.asynccontextmanager
    async def unpacking(self, target_path: str, *, about: str) -> AsyncIterator["PipedUnpacking"]:
        """See Unpacker."""
        with contextlib.ExitStack() as opened:
            with translated(about):
                read_end, write_end = _open_pipe(opened)
                with contextlib.suppress(PermissionError):
                    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            child = self._spawn(read_end.fileno(), target_path, about)
            read_end.close()
            unpacking = PipedUnpacking(child, write_end)
            try:
                yield unpacking
            finally:
                await unpacking.give_up()

    async def unpack_file(self, archive_path: str, target_path: str, *, about: str) -> Unpacked:
        """See Unpacker."""
        try:
            archive_fd = os.open(archive_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound(f"archive {archive_path} does not exist") from error
        except OSError as error:
            raise Refused(f"archive {archive_path} can't be read: {error.strerror}") from error
        try:
            child = self._spawn(archive_fd, target_path, about)
        finally:
            os.close(archive_fd)
        return await child.read_answer()

    def _spawn(self, stdin_fd: int, target_path: str, about: str, *news_fds: int) -> "_UnpackChild":
        answer = os.fdopen(os.memfd_create("answer"), "rb")
        limits = (
            str(self._limits.most_bytes),
            str(self._limits.most_entries),
            "layer" if self._limits.as_layer else "tree",
        )
        stdio = Stdio(stdin=stdin_fd, stdout=answer.fileno(), stderr=answer.fileno(), extra_fds=news_fds)
        command = (sys.executable, "-I", "-m", _CHILD, target_path, *limits, *map(str, news_fds))
        child = self._runner.spawn(*command, stdio=stdio, environment=_ALLOCATION)
        return _UnpackChild(child, answer, about)

    async def sync(self, path: str) -> None:
        """See Unpacker."""
        with translated(path):
            await asyncio.to_thread(_sync_file_system, path)

    async def empty(self, directory_path: str) -> None:
        """See Unpacker. A program does it, which needs no turn of our threads."""
        await self._runner.run(
            "find", directory_path, "-mindepth", "1", "-xdev", "-delete", timeout_s=_TIMEOUT_S
        )

    async def pack(self, directory_path: str, archive_path: str) -> None:
        """See Unpacker."""
        if not Path(directory_path).is_dir():  # noqa: ASYNC240  a single stat
            raise NotFound(f"directory {directory_path} does not exist")
        options = ("--sort=name", "--numeric-owner", "--xattrs", "--one-file-system")
        await self._runner.run(
            "tar", *options, "-C", directory_path, "-cf", archive_path, ".", timeout_s=_TIMEOUT_S
        )


class _UnpackChild:
    """The child, from its start to its answer, which `read_answer` has to be called for exactly once."""

    def __init__(self, child: Child, answer: IO[bytes], about: str) -> None:
        self._child = child
        self._answer = answer
        self._about = about

    async def read_answer(self) -> Unpacked:
        """Wait for the end and return what the archive came to; the child is killed when the caller is cancelled."""
        with self._answer:
            code = await self._child.wait()
            self._answer.seek(0)
            text = self._answer.read().decode(errors="replace")
        lines = text.strip().splitlines() or [describe_code(code)]
        kind, _, words = lines[-1].partition(" ")
        if kind in _ERRORS:
            raise _ERRORS[kind](f"{self._about} {words}")
        if kind != "unpacked":
            raise Refused(f"{self._about} can't be unpacked: {lines[-1]}")
        diff_id, size_bytes, entries, ended = words.split()
        return Unpacked(diff_id=diff_id, size_bytes=int(size_bytes), entries=int(entries), ended=ended == "1")

    def kill(self) -> None:
        """Make the end come at once; `read_answer` still has to be called."""
        self._child.kill()


def _open_pipe(opened: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe, which writing to never waits for."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    read_end = opened.enter_context(os.fdopen(read_fd, "rb", buffering=0))
    write_end = opened.enter_context(os.fdopen(write_fd, "wb", buffering=0))
    os.set_blocking(write_fd, False)
    return read_end, write_end


class _Unpacking:
    """A child that goes on until its pipe ends."""

    def __init__(self, child: _UnpackChild, write_end: IO[bytes]) -> None:
        self._child = child
        self._write_end = write_end
        self._answered = False

    async def finish(self) -> Unpacked:
        """Say that nothing follows, and return what the archive came to; see Unpacking."""
        self._write_end.close()
        self._answered = True
        return await self._child.read_answer()

    async def _fail(self) -> NoReturn:
        """Raise what made the child end before its input did."""
        await self.finish()
        raise Refused("an archive's unpacker ended before the archive did")

    async def give_up(self) -> None:
        """End the child if its answer was not asked for."""
        self._write_end.close()
        if not self._answered:
            self._answered = True
            self._child.kill()
            with contextlib.suppress(Refused, Invalid, Exhausted, Damaged):
                await self._child.read_answer()


class PipedUnpacking(_Unpacking):
    """Implements `controller.ports.Unpacking`: a child that reads a pipe."""

    async def feed(self, chunk: bytes) -> None:
        """See Unpacking."""
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._write_end.fileno(), rest) :]
            except BlockingIOError:
                await wait_writable(self._write_end.fileno())
            except BrokenPipeError:
                await self._fail()


class FollowedFile(_Unpacking):
    """Implements `controller.ports.Following`: a child that reads a file, and a pipe whenever there is nothing more in it."""

    async def grown(self) -> None:
        """See Following."""
        try:
            os.write(self._write_end.fileno(), b"\0")
        except BlockingIOError:
            return  # there is news enough already
        except BrokenPipeError:
            await self._fail()


def _sync_file_system(path: str) -> None:
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.syncfs(directory_fd)
    finally:
        os.close(directory_fd)
