"""Which events are shown, and how."""

import argparse

import pytest

from controller.api.v1 import state_pb2
from controller.cli.client import Failure
from controller.cli.event_filters import read_test
from controller.cli.events import render_event, view_event
from controller.cli.formats import Format
from controller.cli.main import make_parser


def _make(kind: str = "Container", name: str = "web", reason: str = "Started") -> state_pb2.Event:
    event = state_pb2.Event(
        sequence=1, type="Normal", reason=reason, message="process 7 runs", uid="abcd" * 8
    )
    event.at.FromJsonString("2026-01-02T00:00:00Z")
    if kind:
        event.key.kind, event.key.name = kind, name
    return event


def _read(*words: str) -> argparse.Namespace:
    return make_parser("events").parse_args(words)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], True),
        (["--filter", "kind=container"], True),
        (["--filter", "kind=volume"], False),
        (["--filter", "kind=volume", "--filter", "kind=Container"], True),
        (["--filter", "kind=container", "--filter", "name=db"], False),
        (["--filter", "container=web"], True),
        (["--filter", "container=abcdab"], True),
        (["--filter", "container=abc"], False),
        (["--filter", "network=web"], False),
        (["--filter", "uid=abcd"], True),
        (["--filter", "type=normal", "--filter", "reason=started"], True),
        (["--since", "2026-01-01"], True),
        (["--since", "2026-01-03"], False),
        (["--until", "2026-01-01T12:00:00Z"], False),
        (["--since", "2026-01-01", "--until", "2026-01-03"], True),
    ],
)
def test_filters(words: list[str], shown: bool) -> None:
    assert read_test(_read(*words))(_make()) is shown


@pytest.mark.parametrize("words", [["--filter", "foo=bar"], ["--filter", "name"], ["--since", "soon"]])
def test_wrong_filters_are_told_before_anything_is_asked(words: list[str]) -> None:
    with pytest.raises(Failure):
        read_test(_read(*words))


def test_lines_and_templates() -> None:
    assert render_event(_make()) == "2026-01-02T00:00:00Z Normal container/web Started: process 7 runs"
    assert " daemon " in render_event(_make(kind=""))
    template = Format("{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.reason}} {{.key.kind}} {{.Time}}")
    assert template.fill(view_event(_make())) == "container Started web Started Container 1767312000"
