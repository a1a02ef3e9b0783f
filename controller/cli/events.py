"""events: what happened."""

import argparse
import json
from collections.abc import Callable, Iterable
from typing import Any

from controller.api.v1 import state_pb2
from controller.cli.client import Client
from controller.cli.event_filters import add_event_flags, read_moment, read_test
from controller.cli.fields import to_public
from controller.cli.following import follow
from controller.cli.formats import Format
from controller.cli.tables import read_now, render_age, render_table

Show = Callable[[state_pb2.Event], None]


def add_events(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold events`."""
    parser.add_argument("-w", "--watch", action="store_true", help="Go on with what happens.")
    add_event_flags(parser)
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="How to print them.")
    parser.add_argument(
        "--format", default="", help="json, or a template such as '{{.Action}} {{.Actor.Attributes.name}}'."
    )


def run_events(client: Client, options: argparse.Namespace) -> int:
    """Print events, oldest first."""
    show, is_chosen = _choose_form(options), read_test(options)
    events = _list_events(client)
    for event in filter(is_chosen, events):
        show(event)
    if not options.watch:
        return 0
    last = events[-1].sequence if events else 0
    until = read_moment(options.until)
    if until is None:
        _watch(client, last, lambda event: show(event) if is_chosen(event) else None)
        return 0
    from controller.cli.wait import deadline

    remaining_s = (until - read_now()).total_seconds()
    try:
        with deadline(max(0.001, remaining_s)):
            _watch(client, last, lambda event: show(event) if is_chosen(event) else None)
    except TimeoutError:
        return 0
    return 0


def _list_events(client: Client) -> list[state_pb2.Event]:
    request = state_pb2.ListEventsRequest()
    return list(client.channel.unary("StateService/ListEvents", request, state_pb2.ListEventsResponse).events)


def _watch(client: Client, last: int, show: Show) -> None:
    """Show what happens after the event `last`, over restarts of the daemon."""

    def make_request() -> state_pb2.WatchEventsRequest:
        return state_pb2.WatchEventsRequest(after_sequence=last)

    for answer in follow(
        client.channel, "StateService/WatchEvents", state_pb2.WatchEventsResponse, make_request
    ):
        last = answer.event.sequence
        show(answer.event)


def _choose_form(options: argparse.Namespace) -> Show:
    if options.format not in ("", "json"):
        template = Format(options.format)
        return lambda event: print(template.fill(view_event(event)), flush=True)
    if options.format == "json" or options.output == "json":
        return lambda event: print(json.dumps(to_public(event)), flush=True)
    return lambda event: print(render_event(event), flush=True)


def render_event(event: state_pb2.Event) -> str:
    """Return an event as a line."""
    name = f"{event.key.kind.lower()}/{event.key.name}" if event.key.name else "daemon"
    return f"{event.at.ToJsonString()} {event.type} {name} {event.reason}: {event.message}"


def view_event(event: state_pb2.Event) -> dict[str, Any]:
    """Return an event's fields, and beside them those that Docker's events have."""
    kind = event.key.kind.lower() or "daemon"
    docker = {
        "ID": event.uid,
        "Type": kind,
        "Action": event.reason,
        "Status": event.reason,
        "Time": event.at.ToSeconds(),
        "TimeNano": event.at.ToNanoseconds(),
        "Actor": {"ID": event.uid, "Attributes": {"name": event.key.name, "message": event.message}},
    }
    return {**docker, **to_public(event)}


def show_events(client: Client, options: argparse.Namespace) -> int:
    """Print the table of `hold get events`; with --watch, a line for each and then for what happens."""
    events = _list_events(client)
    if options.output == "json":
        print(json.dumps([to_public(each) for each in events], indent=2))
    elif not options.watch:
        print(render_events(events, with_headers=not options.no_headers))
    else:
        for event in events:
            print(render_event(event), flush=True)
    if options.watch:
        last = events[-1].sequence if events else 0
        _watch(client, last, lambda event: print(render_event(event), flush=True))
    return 0


def render_events(events: Iterable[state_pb2.Event], *, with_headers: bool = True) -> str:
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
    return render_table(["AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"], rows, with_headers=with_headers)
