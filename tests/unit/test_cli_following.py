"""Streams over restarts of the daemon: nothing is missed, nothing comes twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from controller.api.v1 import container_pb2, resource_pb2, state_pb2
from controller.cli import following
from controller.cli.following import ResourceWatch, follow
from controller.cli.logs import LastMoment
from controller.cli.transport import CallFailed, Channel, Unreachable

GONE, EXPIRED = Unreachable("gone"), CallFailed(11, "compacted")


@dataclass(slots=True)
class PlayedChannel:
    """A daemon that goes away after each of the scripts; an error in one ends it."""

    scripts: list[list[Any]]
    refusals: int = 0
    requests: list[Any] = field(default_factory=list)

    def stream(self, _: str, request: object, __: object) -> Iterator[Any]:
        self.requests.append(request)
        return self._play(self.scripts.pop(0))

    def _play(self, script: list[Any]) -> Iterator[Any]:
        for each in script:
            if isinstance(each, Exception):
                raise each
            yield each

    def close(self) -> None:
        """Nothing is kept."""

    def connect(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unreachable("nobody answers")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.001)


def _watch(*scripts: list[Any], refusals: int = 0) -> tuple[list[tuple[str, str, int]], list[Any]]:
    channel = PlayedChannel(list(scripts), refusals)
    told = [
        (each.type, each.resource.metadata.name, each.revision)
        for each in ResourceWatch(state_pb2.WatchRequest(kind="Volume")).follow(cast("Channel", channel))
    ]
    requests = [each.after_revision if each.HasField("after_revision") else None for each in channel.requests]
    return told, requests


def _change(kind: str, name: str, revision: int) -> state_pb2.WatchResponse:
    metadata = resource_pb2.Metadata(name=name, revision=revision)
    resource = resource_pb2.Resource(kind="Volume", metadata=metadata)
    return state_pb2.WatchResponse(type=kind, revision=revision, resource=resource)


def _synced(revision: int) -> state_pb2.WatchResponse:
    return state_pb2.WatchResponse(type="SYNCED", revision=revision)


def test_a_watch_goes_on_from_its_revision(capsys: pytest.CaptureFixture[str]) -> None:
    told, requests = _watch(
        [_change("ADDED", "a", 1), _synced(3), _change("MODIFIED", "a", 4), GONE],
        [_change("ADDED", "b", 5), GONE],
        [_change("DELETED", "a", 6)],
        refusals=3,
    )
    assert requests == [None, 4, 5]
    assert told == [("ADDED", "a", 1), ("SYNCED", "", 3), ("MODIFIED", "a", 4), ("ADDED", "b", 5), ("DELETED", "a", 6)]  # fmt: skip
    words = capsys.readouterr().err
    assert words.count("the daemon went away") == words.count("the daemon is back") == 2


def test_a_break_before_the_present_state_is_told_tells_it_once() -> None:
    told, requests = _watch(
        [_change("ADDED", "a", 1), GONE],
        [_change("ADDED", "a", 1), _change("ADDED", "b", 2), _synced(2), GONE],
        [],
    )
    assert requests == [None, None, 2]
    assert told == [("ADDED", "a", 1), ("ADDED", "b", 2), ("SYNCED", "", 2)]


def test_what_the_daemon_has_forgotten_is_found_by_comparison() -> None:
    told, requests = _watch(
        [*(_change("ADDED", name, 1) for name in "abc"), _synced(1), GONE],
        [EXPIRED],
        [_change("ADDED", "a", 1), _change("ADDED", "c", 8), _change("ADDED", "d", 9), _synced(9)],
    )
    assert requests == [None, 1, None]
    assert told[4:] == [("MODIFIED", "c", 8), ("ADDED", "d", 9), ("DELETED", "b", 9)]


def test_a_deletion_of_what_was_never_told_is_not_told() -> None:
    told, _ = _watch([_synced(1), GONE], [_change("DELETED", "other", 2)])
    assert told == [("SYNCED", "", 1)]


def test_a_daemon_that_stays_away_is_waited_for_no_longer_than_asked() -> None:
    channel = cast("Channel", PlayedChannel([[GONE]], refusals=10**9))
    answers = follow(channel, "X/Y", state_pb2.WatchResponse, state_pb2.WatchRequest, patience_s=0.05)
    with pytest.raises(Unreachable, match="gone"):
        list(answers)


@pytest.mark.parametrize("error", [CallFailed(14, "stops"), CallFailed(1, "cancelled")])
def test_a_daemon_that_stops_in_good_order_is_waited_for(error: CallFailed) -> None:
    channel = cast("Channel", PlayedChannel([[_synced(1), error], [_synced(2)]]))
    answers = follow(channel, "X/Y", state_pb2.WatchResponse, state_pb2.WatchRequest)
    assert [each.revision for each in answers] == [1, 2]


def test_other_failures_are_final() -> None:
    channel = cast("Channel", PlayedChannel([[CallFailed(5, "missing")]]))
    with pytest.raises(CallFailed, match="missing"):
        list(follow(channel, "X/Y", state_pb2.WatchResponse, state_pb2.WatchRequest))


def test_a_log_goes_on_behind_its_last_line() -> None:
    lines = [
        _line(at_ns, text) for at_ns, text in ((1, "a"), (2, "b"), (2, "c"), (2, "d"), (3, "e"), (3, "f"))
    ]
    request = container_pb2.LogsRequest(container="web", tail=100)
    for first in range(len(lines) + 1):
        for second in range(first, len(lines) + 1):
            told = LastMoment()
            shown = b""
            for present in (lines[:first], lines[:second], lines):
                shown += _tell(told, _since(present, told.resume(request)))
            assert shown == b"abcdef"


def test_a_log_goes_on_behind_pieces_that_are_cut_otherwise() -> None:
    request = container_pb2.LogsRequest(container="web")
    told = LastMoment()
    told.resume(request)
    shown = _tell(told, [_line(1, "a\n"), _line(2, "b\nc\n")])
    told.resume(request)
    shown += _tell(told, [_line(2, "b\n"), _line(2, "c\nd\n"), _line(3, "e\n")])
    assert shown == b"a\nb\nc\nd\ne\n"


def test_the_last_lines_are_not_told_again_with_those_before() -> None:
    request = container_pb2.LogsRequest(container="web", tail=1)
    told = LastMoment()
    told.resume(request)
    shown = _tell(told, [_line(2, "c\n")])
    assert not told.resume(request).HasField("tail")
    shown += _tell(told, [_line(2, "a\nb\nc\n"), _line(3, "d\n")])
    assert shown == b"c\nd\n"


def _tell(told: LastMoment, pieces: list[container_pb2.LogsResponse]) -> bytes:
    return b"".join(rest.data for piece in pieces if (rest := told.take_new(piece)) is not None)


def _line(at_ns: int, text: str) -> container_pb2.LogsResponse:
    line = container_pb2.LogsResponse(stream="stdout", data=text.encode())
    line.at.FromNanoseconds(at_ns)
    return line


def _since(
    lines: list[container_pb2.LogsResponse], request: container_pb2.LogsRequest
) -> list[container_pb2.LogsResponse]:
    since = request.since.ToNanoseconds() if request.HasField("since") else 0
    return [line for line in lines if line.at.ToNanoseconds() >= since]
