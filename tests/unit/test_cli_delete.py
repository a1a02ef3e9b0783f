"""Waiting until objects are gone."""

from collections.abc import Iterator
from typing import cast

import pytest

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.deletion import wait_for_deletion, wait_until_gone


class PlayedClient:
    """A daemon whose changes the test has written down; asking for more is a hang."""

    def __init__(self, changes: list[state_pb2.WatchResponse]) -> None:
        self._changes = changes
        self.kinds: list[str] = []

    def watch(self, kind: str) -> Iterator[state_pb2.WatchResponse]:
        self.kinds.append(kind)
        yield from self._changes
        raise AssertionError("still waiting at the end of all changes")


def _change(kind: str, name: str, *, leaving: bool = False) -> state_pb2.WatchResponse:
    resource = resource_pb2.Resource(kind="Container", metadata=resource_pb2.Metadata(name=name))
    if leaving:
        resource.metadata.deleted_at.GetCurrentTime()
    return state_pb2.WatchResponse(type=kind, resource=resource)


SYNCED = state_pb2.WatchResponse(type="SYNCED")


@pytest.mark.parametrize(
    "changes",
    [
        [SYNCED],
        [_change("ADDED", "other"), SYNCED],
        [_change("ADDED", "web", leaving=True), SYNCED, _change("DELETED", "web", leaving=True)],
        [_change("ADDED", "web"), SYNCED],  # somebody made it anew
        [_change("ADDED", "web", leaving=True), SYNCED, _change("DELETED", "web"), _change("ADDED", "web")],
    ],
)
def test_it_returns_when_nothing_is_left(changes: list[state_pb2.WatchResponse]) -> None:
    client = PlayedClient(changes)
    wait_until_gone(cast("Client", client), [state_pb2.Key(kind="Container", name="web")])
    assert client.kinds == ["Container"]


def test_it_waits_for_all() -> None:
    leaving = [_change("ADDED", name, leaving=True) for name in ("a", "b")]
    client = PlayedClient([*leaving, SYNCED, _change("DELETED", "b", leaving=True)])
    keys = [state_pb2.Key(kind="Container", name=name) for name in ("a", "b")]
    with pytest.raises(AssertionError, match="still waiting"):
        wait_until_gone(cast("Client", client), keys)


def test_nothing_is_waited_for_without_a_question() -> None:
    client = PlayedClient([])
    wait_until_gone(cast("Client", client), [])
    assert client.kinds == []


def _removal(name: str, reason: str, *, at: int, kind: str = "MODIFIED") -> state_pb2.WatchResponse:
    """Return a change of a plugin's volume that is on its way out."""
    metadata = resource_pb2.Metadata(name=name, revision=at)
    metadata.deleted_at.GetCurrentTime()
    resource = resource_pb2.Resource(kind="Volume", metadata=metadata)
    resource.volume_status.driver = "shelf"
    resource.volume_status.conditions.add(
        type="Ready", status="False", reason=reason, message="nobody answers"
    )
    return state_pb2.WatchResponse(type=kind, resource=resource)


def _delete(verb: str, changes: list[state_pb2.WatchResponse]) -> None:
    outcome = state_pb2.Outcome(key=state_pb2.Key(kind="Volume", name="books"), verb=verb)
    answer = state_pb2.DeleteResponse(revision=7, outcomes=[outcome])
    wait_for_deletion(cast("Client", PlayedClient(changes)), answer)


@pytest.mark.parametrize(
    ("verb", "changes"),
    [
        (
            "delete",
            [_removal("books", "DriverUnavailable", at=7), SYNCED, _removal("books", "NotDeleted", at=8)],
        ),
        ("unchanged", [_removal("books", "NotDeleted", at=5), SYNCED]),
    ],
)
def test_it_tells_why_something_can_not_go(verb: str, changes: list[state_pb2.WatchResponse]) -> None:
    with pytest.raises(Failure) as caught:
        _delete(verb, changes)
    assert str(caught.value) == (
        "volume/books is not gone yet, and goes by itself once this is mended: nobody answers"
        "; --force deletes it without plugin shelf"
    )


def test_what_was_wrong_before_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The new order has not been tried yet when the first change is looked at."""
    gone = _removal("books", "DriverForgotten", at=9, kind="DELETED")
    _delete("delete", [_removal("books", "NotDeleted", at=7, kind="ADDED"), SYNCED, gone])
    assert capsys.readouterr().err == "hold: warning: volume/books: nobody answers\n"
