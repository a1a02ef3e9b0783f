"""Files that are there whole or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from io import FileIO
from pathlib import Path
from typing import Literal, TypeVar

from controller.blocking import opened, run_to_end
from controller.errors import Exhausted, HoldError, Refused

Result = TypeVar("Result")

PARTIAL_PREFIX = ".partial-"
_NO_SPACE = {28, 122}  # ENOSPC, EDQUOT (errno(3))


@contextlib.contextmanager
def translated(about: str) -> Iterator[None]:
    """Raise errors of hold for what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise translate(error, about) from error


def translate(error: OSError, about: str) -> HoldError:
    """Return the error of hold for one of the file system."""
    message = f"{about}: {(error.strerror or str(error)).lower()}"
    return Exhausted(message) if error.errno in _NO_SPACE else Refused(message)


def derive_partial(path: Path) -> Path:
    """Return a fresh name beside `path` for what is not whole yet."""
    return path.with_name(f"{PARTIAL_PREFIX}{secrets.token_hex(8)}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that, whenever the machine stops, it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = derive_partial(path)
    try:
        with partial_path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial_path.rename(path)
        sync_directory(path.parent)
    finally:
        partial_path.unlink(missing_ok=True)


def write_at_once(path: Path, content: bytes) -> None:
    """Write a file so that nobody sees a part of it; a power failure may leave it with any content."""
    partial_path = derive_partial(path)
    try:
        partial_path.write_bytes(content)
        partial_path.rename(path)
    finally:
        partial_path.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make names in a directory durable (fsync(2) of the directory)."""
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)


def remove_partials(path: Path) -> None:
    """Remove what an interrupted write left in a directory."""
    if not path.is_dir():
        return
    for each in path.glob(f"{PARTIAL_PREFIX}*"):
        remove_tree(each)


def remove_tree(path: Path) -> None:
    """Remove a file or a directory with all in it; nothing when it is missing. Links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=False)
    else:
        path.unlink(missing_ok=True)


async def in_thread(about: str, body: Callable[[], Result]) -> Result:
    """Run what blocks in a thread; a caller that is cancelled waits for its end first, as it may still be writing."""
    with translated(about):
        return await run_to_end(body)


def opened_file(
    about: str, path: Path, mode: Literal["rb", "xb"], *, temporary: bool = False
) -> AbstractAsyncContextManager[FileIO]:
    """Give an open file without a buffer; one that is temporary is gone afterwards, unless it was renamed."""

    def opening() -> FileIO:
        with translated(about):
            return path.open(mode, buffering=0)

    def closing(file: FileIO) -> None:
        with translated(about):
            file.close()
            if temporary:
                path.unlink(missing_ok=True)

    return opened(opening, closing)
