"""What waits in a relay, what is dropped of it, and which containers have one."""

from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.logs.log_relay_buffer import Batch, Buffer, count_lines, find_line_end
from controller.kernel.logs.log_relay_sinks import FileSink
from controller.kernel.logs.log_relays import RelayOrder, choose_relay
from controller.model.ids import Uid
from controller.model.logs import LogSettings
from controller.model.wants import LogWant, ProcessWant
from controller.plan.logs import LogDefaults, settle_log

_DEFAULTS = LogDefaults(max_bytes=1 << 20, max_files=3)
_AT = b"2026-01-02T03:04:05.000000006+00:00"


def _line(text: str, *, mark: str = "F") -> bytes:
    return b"%b stdout %b %b\n" % (_AT, mark.encode(), text.encode())


def _take_all(buffer: Buffer) -> list[Batch]:
    buffer.close()
    return list(iter(buffer.take, None))


def test_the_newest_lines_are_dropped_and_counted() -> None:
    one = _line("x")
    buffer = Buffer(3 * len(one), drops=True)
    buffer.put(one * 2)
    buffer.put(one * 5)
    first = buffer.take()
    assert first == Batch(lines=one * 2)
    buffer.put(one)
    buffer.give_back(first)
    buffer.put(one)
    buffer.put(one * 9)
    assert _take_all(buffer) == [
        Batch(lines=one),
        Batch(lines=one, dropped=5),
        Batch(lines=one),
        Batch(dropped=8),
    ]


def test_a_line_is_dropped_whole() -> None:
    long = _line("a", mark="P") + _line("b", mark="P") + _line("c")
    buffer = Buffer(len(_line("x")) + len(long) - 1, drops=True)
    buffer.put(_line("x") + long)
    assert _take_all(buffer) == [Batch(lines=_line("x")), Batch(dropped=1)]


@given(st.lists(st.sampled_from("PF"), max_size=20), st.integers(0, 1500))
def test_every_cut_is_behind_a_line(marks: list[str], limit: int) -> None:
    records = b"".join(_line("text F ", mark=mark) for mark in marks)
    end = find_line_end(records, limit)
    assert end <= max(limit, 0)
    assert not end or records[:end].endswith(_line("text F ", mark="F"))
    assert count_lines(records[:end]) + count_lines(records[end:]) == marks.count("F")


def test_a_new_file_begins_where_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = FileSink(path, most_bytes=200)
    sink.write(_line("before"))
    path.rename(tmp_path / "log.1")
    sink.begin_file()
    sink.tell_dropped(1)
    assert (tmp_path / "log.1").read_bytes() == _line("before")
    assert b" stderr F hold: 1 line was dropped here" in path.read_bytes()
    sink.write(_line("y" * 150))
    assert path.read_bytes() == _line("y" * 150)


def _choose(settings: Mapping[str, object]) -> RelayOrder | None:
    log = LogWant(
        settings=LogSettings.model_validate(settings),
        image="web:1",
        labels=(("team", "red"), ("_0.x", "b")),
        environment=(("A", "1"),),
    )
    want = ProcessWant(uid=Uid("a" * 32), name="web", run=0, spec_hash="", config_json="{}", log=log)
    return choose_relay(want, settle_log(log.settings, _DEFAULTS), _DEFAULTS, Path("/log"))


def test_only_what_conmon_can_not_do_needs_a_relay() -> None:
    for settings in (
        {},
        {"labels": ["team"]},
        {"driver": "none", "mode": "non-blocking"},
        {"driver": "journald", "tag": "x"},
        {"driver": "journald", "labels": ["absent"]},
    ):
        assert _choose(settings) is None, settings
    order = _choose({"mode": "non-blocking", "maxBufferSize": "64k"})
    assert order is not None
    assert (order.fields, order.buffer_bytes, order.drops) == ({}, 65536, True)


def test_entries_are_marked_as_docker_marks_them() -> None:
    order = _choose({"driver": "journald", "labelsRegex": ".", "environment": ["A"], "tag": "{{.Name}}"})
    assert order is not None
    assert not order.drops
    assert order.fields == {
        "TEAM": "red",
        "0_X": "b",
        "A": "1",
        "CONTAINER_ID": "a" * 12,
        "CONTAINER_ID_FULL": "a" * 32,
        "CONTAINER_NAME": "web",
        "CONTAINER_TAG": "web",
        "SYSLOG_IDENTIFIER": "web",
        "IMAGE_NAME": "web:1",
    }
