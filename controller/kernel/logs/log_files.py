"""The files of one log: the one that conmon writes, and earlier ones with a number appended, the higher the later.

Numbers are never used twice and files never renamed, so that a number says for ever which part of the log it is. An
earlier file may be compressed, which adds `.gz` to its name.
"""

import contextlib
import json
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from isal import isal_zlib

from controller.errors import NotFound
from controller.kernel.logs.log_lines import LineReader
from controller.model.logs import LogDriver

_CHUNK_BYTES = 1 << 18
_MARKS = "runs.json"
_DRIVER = "driver"
_COMPRESSED = ".gz"
_GZIP_WINDOW = 16 + 15
_LEVEL = 1
"""The quickest: levels of isal go from 0 to 3, and this one takes in some 400 MB/s."""


def list_numbers(path: Path) -> list[int]:
    """Return the numbers of the earlier files of the log at `path`, oldest first."""
    pattern = re.compile(rf"{re.escape(path.name)}\.(\d+)(?:{re.escape(_COMPRESSED)})?")
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names, not paths
    except FileNotFoundError:
        return []
    return sorted({int(match[1]) for name in names if (match := pattern.fullmatch(name))})


def number_path(path: Path, number: int) -> Path:
    """Return the path of an earlier file that is not compressed."""
    return path.with_name(f"{path.name}.{number:08d}")


def open_file(path: Path) -> int | None:
    """Open a file of a log; None when it is gone."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def open_number(path: Path, number: int) -> LineReader | None:
    """Open an earlier file; None when it is gone. A compressed one is there before the other goes."""
    plain_path = number_path(path, number)
    fd = open_file(plain_path)
    if fd is not None:
        return LineReader(fd)
    fd = open_file(_compressed_path(plain_path))
    return LineReader(fd, compressed=True) if fd is not None else None


def _compressed_path(plain_path: Path) -> Path:
    return plain_path.with_name(plain_path.name + _COMPRESSED)


def read_inode(path: Path) -> tuple[int, int] | None:
    """Return which file lies at a path; None when none does."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino)


def remove_numbers(path: Path, *, keep: int) -> None:
    """Remove the oldest of the earlier files until only `keep` are left."""
    numbers = list_numbers(path)
    for number in numbers[: max(0, len(numbers) - keep)]:
        plain_path = number_path(path, number)
        for each in (plain_path, _compressed_path(plain_path)):
            with contextlib.suppress(FileNotFoundError):
                each.unlink()


def find_compressible(path: Path) -> int | None:
    """Return the oldest earlier file that is not compressed, if conmon has let go of it."""
    present = read_inode(path)
    for number in list_numbers(path):
        inode = read_inode(number_path(path, number))
        if inode is not None and inode != present:
            return number
    return None


def compress(path: Path, number: int) -> None:
    """Put a compressed file in the place of an earlier one; nothing when it has gone meanwhile.

    OSError when the disk is full: then all is as before.
    """
    plain_path = number_path(path, number)
    draft_path = path.with_name(f"{path.name}.gz.new")
    try:
        with plain_path.open("rb") as plain, draft_path.open("wb") as draft:
            draft_path.chmod(stat.S_IMODE(os.fstat(plain.fileno()).st_mode))
            packer = isal_zlib.compressobj(level=_LEVEL, wbits=_GZIP_WINDOW)
            while data := plain.read(_CHUNK_BYTES):
                draft.write(packer.compress(data))
            draft.write(packer.flush())
            draft.flush()
            os.fsync(draft.fileno())
        if plain_path.exists():
            draft_path.replace(_compressed_path(plain_path))
            plain_path.unlink()
    except FileNotFoundError:
        return
    finally:
        draft_path.unlink(missing_ok=True)


def write_driver(path: Path, driver: LogDriver) -> None:
    """Write down what takes in the output from now on."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.with_name(_DRIVER).write_text(driver)


def read_driver(path: Path) -> LogDriver:
    """Return what took in the output last; a file, when nothing is known."""
    try:
        return LogDriver(path.with_name(_DRIVER).read_text())
    except (FileNotFoundError, ValueError):
        return LogDriver.JSON_FILE


def mark_run(path: Path, now_s: float) -> None:
    """Write down that another process writes from now on; the times of the last two are kept."""
    marks_path = path.with_name(_MARKS)
    earlier = _read_marks(path)
    draft_path = marks_path.with_suffix(".new")
    draft_path.write_text(json.dumps([*earlier, now_s][-2:]))
    draft_path.replace(marks_path)


def read_previous_span(path: Path) -> tuple[datetime, datetime]:
    """Return from when until when the process before the present one wrote; NotFound when there was none."""
    marks = _read_marks(path)
    if len(marks) < 2:
        raise NotFound("there was no earlier run: leave --previous out")
    begin, end = (datetime.fromtimestamp(mark, UTC) for mark in marks)
    return begin, end


def _read_marks(path: Path) -> list[float]:
    try:
        return [float(mark) for mark in json.loads(path.with_name(_MARKS).read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []
