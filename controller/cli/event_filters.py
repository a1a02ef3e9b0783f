"""Which events are shown: `--filter`, `--since`, `--until`."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from controller.api.v1 import state_pb2
from controller.cli.client import KINDS, Failure
from controller.cli.logs import parse_moment

Test = Callable[[state_pb2.Event], bool]

_NAMED = tuple(kind.lower() for kind in KINDS)
KEYS = ("kind", "name", "uid", "type", "reason", *_NAMED)
_SHORTEST_UID = 4


def add_event_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose events."""
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"Keys are {', '.join(KEYS)}.",
    )
    parser.add_argument("--since", default="", help="Only from this time on: RFC 3339, or 10m ago.")
    parser.add_argument("--until", default="", help="Only up to this time.")


def read_test(options: argparse.Namespace) -> Test:
    """Return the test that the flags ask for; Failure names a flag that can't be read.

    As with Docker one of several values of the same key is enough, and every key has to agree.
    """
    wanted: dict[str, list[str]] = {}
    for text in options.filter:
        key, equals, value = text.partition("=")
        if not equals or key not in KEYS:
            raise Failure(f"--filter {text!r}: write KEY=VALUE; keys are {', '.join(KEYS)}")
        wanted.setdefault(key, []).append(value.lower())
    since, until = read_moment(options.since), read_moment(options.until)

    def test(event: state_pb2.Event) -> bool:
        at = event.at.ToDatetime(tzinfo=UTC)
        is_in_time = (since is None or at >= since) and (until is None or at <= until)
        return is_in_time and all(_agrees(event, key, values) for key, values in wanted.items())

    return test


def read_moment(text: str) -> datetime | None:
    """Return the time of a flag, None when it was not given."""
    return parse_moment(text) if text else None


def _agrees(event: state_pb2.Event, key: str, values: Sequence[str]) -> bool:
    kind, name = event.key.kind.lower(), event.key.name.lower()
    if key in _NAMED:
        return kind == key and (name in values or _has_uid(event, values))
    if key == "uid":
        return _has_uid(event, values)
    found = {"kind": kind, "name": name, "type": event.type.lower(), "reason": event.reason.lower()}
    return found[key] in values


def _has_uid(event: state_pb2.Event, beginnings: Sequence[str]) -> bool:
    return any(len(each) >= _SHORTEST_UID and event.uid.startswith(each) for each in beginnings)
