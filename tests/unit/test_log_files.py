"""Logs are read whole and once, however their files come and go."""

import contextlib
import functools
import itertools
import os
import random
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import NotFound
from controller.kernel.logs import log_lines
from controller.kernel.logs.log_files import (
    compress,
    find_compressible,
    list_numbers,
    mark_run,
    number_path,
    read_inode,
    remove_numbers,
)
from controller.kernel.logs.log_lines import cut_to_last, parse_records
from controller.kernel.logs.logs import LogCursor, read_log, read_previous_run
from controller.kernel.watches import Watches
from controller.ports import LogLine, Stream

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Writer:
    """Writes lines and starts files as conmon does; rotates as the daemon does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(exist_ok=True)
        self._file = path.open("ab", buffering=0)
        path.chmod(0o600)
        self.written = 0

    def write(self, *, whole: bool = True) -> None:
        """Write the next line, whose text is its number; it is as many seconds after the beginning."""
        at = (_BEGIN + timedelta(seconds=self.written)).isoformat()
        self._file.write(f"{at} stdout {'F' if whole else 'P'} {self.written}\n".encode())
        self.written += 1

    def put_aside(self) -> None:
        """Give the present file a number."""
        numbers = list_numbers(self.path)
        last = numbers[-1] if numbers else 0
        if read_inode(number_path(self.path, last)) != read_inode(self.path):
            os.link(self.path, number_path(self.path, last + 1))

    def reopen(self) -> None:
        """Go on in a new file, in place of the present one."""
        draft_path = self.path.with_suffix(".tmp")
        self._file.close()
        self._file = draft_path.open("wb", buffering=0)
        draft_path.chmod(0o600)
        draft_path.replace(self.path)

    def rotate(self) -> None:
        """Put aside, reopen."""
        self.put_aside()
        self.reopen()

    def compress(self) -> None:
        """Compress the oldest earlier file that is not."""
        number = find_compressible(self.path)
        if number is not None:
            compress(self.path, number)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _read_all(cursor: LogCursor) -> list[int]:
    batches = iter(cursor.read, None)
    return [int(line.data) for line in itertools.chain.from_iterable(batches)]


_STEPS = st.lists(
    st.sampled_from(["write", "put_aside", "rotate", "compress", "read", "read_some"]), max_size=40
)


@given(before=_STEPS, after=_STEPS)
@settings(max_examples=150, deadline=None)
def test_a_cursor_reads_every_line_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    path = tmp_path_factory.mktemp("log") / "container.log"
    read: list[int] = []
    with contextlib.closing(Writer(path)) as writer:
        for step in before:
            getattr(writer, step, writer.write)()
        with contextlib.closing(LogCursor(path)) as cursor:
            for step in after:
                if step == "read":
                    read += _read_all(cursor)
                elif step == "read_some":
                    read += [int(line.data) for line in cursor.read() or ()]
                else:
                    getattr(writer, step)()
            read += _read_all(cursor)
        assert read == list(range(writer.written))


def test_a_log_that_was_cut_goes_on_after_the_cut(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        writer.write()
        writer.rotate()
        writer.write()
        with contextlib.closing(LogCursor(writer.path)) as cursor:
            assert _read_all(cursor) == [0, 1]
            writer.write()
            writer.reopen()
            writer.write()
            assert _read_all(cursor) == [2, 3]


def test_files_that_were_removed_are_left_out(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        for _ in range(5):
            writer.write()
            writer.rotate()
        remove_numbers(writer.path, keep=2)
        assert list_numbers(writer.path) == [4, 5]
        with contextlib.closing(LogCursor(writer.path)) as cursor:
            assert _read_all(cursor) == [3, 4]


def test_compressed_files_are_smaller_and_go_like_others(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        for _ in range(3):
            for _ in range(100):
                writer.write()
            writer.rotate()
            writer.compress()
        assert find_compressible(writer.path) is None
        packed = [path for path in tmp_path.iterdir() if path.suffix == ".gz"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in packed} == {0o600}
        assert len(packed) == 3
        assert max(path.stat().st_size for path in packed) < 1500
        with contextlib.closing(LogCursor(writer.path)) as cursor:
            assert _read_all(cursor) == list(range(300))
        remove_numbers(writer.path, keep=1)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "container.log",
            "container.log.00000003.gz",
        ]


def test_a_file_that_is_written_to_is_not_compressed(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        writer.write()
        writer.put_aside()
        assert find_compressible(writer.path) is None
        writer.reopen()
        assert find_compressible(writer.path) == 1


def test_what_is_written_at_one_moment_is_one_piece() -> None:
    moment = "2026-01-01T00:00:00.123456789+00:00"
    records = [f"{moment} stdout F a", f"{moment} stdout F b", f"{moment} stderr F c", f"{moment} stdout P d"]
    records += ["cut o", "2026-01-01T00:00:01+00:00 stdout F e", ""]
    pieces = [(line.stream, line.data) for line in parse_records(record.encode() for record in records)]
    out, err = Stream.STDOUT, Stream.STDERR
    assert pieces == [(out, b"a\nb\n"), (err, b"c\n"), (out, b"d"), (out, b"e\n")]


def test_the_last_lines_of_pieces_are_lines() -> None:
    pieces = [
        LogLine(at=_BEGIN, stream=Stream.STDOUT, data=data) for data in (b"a\nb\n", b"c", b"d\n", b"\ne\r\n")
    ]
    kept = [b"".join(line.data for line in cut_to_last(pieces, lines)) for lines in range(6)]
    assert kept == [b"", b"e\r\n", b"\ne\r\n", b"cd\n\ne\r\n", b"b\ncd\n\ne\r\n", b"a\nb\ncd\n\ne\r\n"]


def test_a_log_that_is_not_there_yet_is_found_later(tmp_path: Path) -> None:
    with contextlib.closing(LogCursor(tmp_path / "container.log")) as cursor:
        assert _read_all(cursor) == []
        with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
            writer.write()
            assert _read_all(cursor) == [0]


@pytest.mark.parametrize("chunk_bytes", [1, 50, 1 << 18])
@pytest.mark.parametrize("tail", [0, 1, 3, 7, 10, 99])
async def test_the_last_lines_are_found_across_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, tail: int
) -> None:
    monkeypatch.setattr(log_lines, "_CHUNK_BYTES", chunk_bytes)
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        for number in range(10):
            writer.write()
            if random.Random(number).random() < 0.4:
                writer.rotate()
            if random.Random(-number).random() < 0.2:
                writer.compress()
        found = [
            int(line.data)
            async for line in read_log(writer.path, Watches(), follow=None, since=None, tail=tail)
        ]
    assert found == list(range(max(0, 10 - tail), 10))


async def test_parts_of_a_line_are_one_line_of_the_tail(tmp_path: Path) -> None:
    with contextlib.closing(Writer(tmp_path / "container.log")) as writer:
        for whole in (True, False, False, True, False, True):
            writer.write(whole=whole)
        lines = [line async for line in read_log(writer.path, Watches(), follow=None, since=None, tail=2)]
    assert [line.data for line in lines] == [b"1", b"2", b"3\n", b"4", b"5\n"]


async def _read_previous(path: Path, *, tail: int | None = None) -> list[LogLine]:
    read = functools.partial(read_log, path, Watches())
    return [line async for line in read_previous_run(path, read, since=None, tail=tail)]


async def test_the_previous_run_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "container.log"
    with contextlib.closing(Writer(path)) as writer:
        with pytest.raises(NotFound, match="no earlier run"):
            await _read_previous(path)
        for _ in range(3):
            mark_run(path, (_BEGIN + timedelta(seconds=writer.written)).timestamp())
            for _ in range(3):
                writer.write()
                writer.rotate()
    assert [line.data for line in await _read_previous(path)] == [b"3\n", b"4\n", b"5\n"]
    assert [line.data for line in await _read_previous(path, tail=2)] == [b"4\n", b"5\n"]
    assert await _read_previous(path, tail=0) == []
