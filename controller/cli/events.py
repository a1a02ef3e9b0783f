"""events: what happened."""

import argparse
import json
from collections.abc import Iterable

from controller.api.v1 import state_pb2
from controller.cli.client import Client, Failure
from controller.cli.fields import to_public
from controller.cli.following import follow
from controller.cli.logs import parse_moment
from controller.cli.tables import read_now, render_age, render_table


def add_events(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold events`."""
    parser.add_argument("-f", "-w", "--watch", action="store_true", help="Go on with what happens.")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="KEY=VALUE", help="kind, name, type or reason."
    )
    parser.add_argument("--since", default="", help="Only from this time on.")
    parser.add_argument("--until", default="", help="Only up to this time.")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="How to print them.")


def run_events(client: Client, options: argparse.Namespace) -> int:
    """Print events, oldest first."""
    answer = client.channel.unary(
        "StateService/ListEvents", state_pb2.ListEventsRequest(), state_pb2.ListEventsResponse
    )
    since = parse_moment(options.since) if options.since else None
    until = parse_moment(options.until) if options.until else None
    last = 0
    for event in answer.events:
        last = event.sequence
        at = event.at.ToDatetime(tzinfo=(since or until or read_now()).tzinfo)
        if (since is None or at >= since) and (until is None or at <= until):
            _print(event, options)
    if options.watch:
        _watch(client, options, last)
    return 0


def _watch(client: Client, options: argparse.Namespace, last: int) -> None:
    """Print what happens after the event `last`, over restarts of the daemon."""

    def make_request() -> state_pb2.WatchEventsRequest:
        return state_pb2.WatchEventsRequest(after_sequence=last)

    for answer in follow(
        client.channel, "StateService/WatchEvents", state_pb2.WatchEventsResponse, make_request
    ):
        last = answer.event.sequence
        _print(answer.event, options)


def _print(event: state_pb2.Event, options: argparse.Namespace) -> None:
    for text in options.filter:
        key, equals, value = text.partition("=")
        found = {
            "kind": event.key.kind.lower(),
            "name": event.key.name,
            "type": event.type,
            "reason": event.reason,
        }
        if not equals or key not in found:
            raise Failure(f"--filter {text!r}: write kind=, name=, type= or reason=")
        if found[key].lower() != value.lower():
            return
    if options.output == "json":
        print(json.dumps(to_public(event)), flush=True)
        return
    name = f"{event.key.kind.lower()}/{event.key.name}" if event.key.name else "daemon"
    print(f"{event.at.ToJsonString()} {event.type} {name} {event.reason}: {event.message}", flush=True)


def show_events(client: Client, options: argparse.Namespace) -> int:
    """Print the table of `hold get events`."""
    answer = client.channel.unary(
        "StateService/ListEvents", state_pb2.ListEventsRequest(), state_pb2.ListEventsResponse
    )
    if options.output == "json":
        print(json.dumps([to_public(each) for each in answer.events], indent=2))
        return 0
    print(render_events(answer.events))
    return 0


def render_events(events: Iterable[state_pb2.Event]) -> str:
    """Return events as a table."""
    now = read_now()
    rows = [
        [
            render_age(each.at.ToJsonString(), now),
            each.type,
            each.reason,
            f"{each.key.kind.lower()}/{each.key.name}",
            each.message,
        ]
        for each in events
    ]
    return render_table(["AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"], rows)
