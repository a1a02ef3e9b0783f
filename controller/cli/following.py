"""Streams that go on when the daemon goes away and comes back: resumed where they broke off, without gap or double."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.transport import CallFailed, Channel, Message, Unreachable

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

_CANCELLED, _OUT_OF_RANGE, _UNAVAILABLE = 1, 11, 14

Response = TypeVar("Response")


def follow(
    channel: Channel,
    method: str,
    response: type[Response],
    make_request: Callable[[], Message],
    *,
    patience_s: float | None = None,
) -> Iterator[Response]:
    """Yield the answers of a stream over as many connections as it takes.

    `make_request` is asked for each connection, and has to know what was yielded before. A daemon that is not there at
    first is an error at once; one that goes away is waited for, at most `patience_s` (None is for ever).
    """
    call = channel.stream(method, make_request(), response)
    while True:
        try:
            yield from call
        except Unreachable as error:
            lost: Exception = error
        except CallFailed as error:
            if error.code not in (_CANCELLED, _UNAVAILABLE):
                raise
            lost = error
        else:
            return
        until = None if patience_s is None else time.monotonic() + patience_s
        wait_for_daemon(channel, lost, until)
        call = channel.stream(method, make_request(), response)


def wait_for_daemon(channel: Channel, lost: Exception, until: float | None) -> None:
    """Connect again and say so on standard error; raises `lost` when the time `until` of the monotonic clock has come."""
    channel.close()
    print("hold: the daemon went away: waiting for it (Ctrl-C gives up)", file=sys.stderr, flush=True)
    pause_s = FIRST_PAUSE_S
    while True:
        time.sleep(pause_s)
        try:
            channel.connect()
        except Unreachable:
            if until is not None and time.monotonic() >= until:
                raise lost from None
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        else:
            print("hold: the daemon is back: going on", file=sys.stderr, flush=True)
            return


class ResourceWatch:
    """The present state and then the changes of what a request selects, over as many connections as it takes.

    After a break it goes on from the last revision; when the daemon has forgotten that, the present state is compared with
    what was told before. Either way each state is told once: ADDED, MODIFIED, DELETED, and one SYNCED.
    """

    def __init__(self, request: state_pb2.WatchRequest) -> None:
        self._request = request
        self._revision: int | None = None
        self._known: dict[tuple[str, str], resource_pb2.Resource] = {}
        self._listed: set[tuple[str, str]] = set()
        self._synced = False

    def follow(
        self, channel: Channel, *, patience_s: float | None = None
    ) -> Iterator[state_pb2.WatchResponse]:
        """Yield what happens."""
        method, response = "StateService/Watch", state_pb2.WatchResponse
        while True:
            try:
                for answer in follow(channel, method, response, self._make_request, patience_s=patience_s):
                    yield from self.take(answer)
            except CallFailed as error:
                if error.code != _OUT_OF_RANGE or self._revision is None:
                    raise
                self._revision = None
            else:
                return

    def _make_request(self) -> state_pb2.WatchRequest:
        self._listed.clear()
        request = state_pb2.WatchRequest()
        request.CopyFrom(self._request)
        if self._revision is not None:
            request.after_revision = self._revision
        return request

    def take(self, answer: state_pb2.WatchResponse) -> Iterator[state_pb2.WatchResponse]:
        """Yield what is new in an answer of the daemon."""
        if answer.type == "SYNCED":
            yield from self._sync(answer)
            return
        key = (answer.resource.kind, answer.resource.metadata.name)
        before = self._known.get(key)
        if self._revision is None:
            self._listed.add(key)
        else:
            self._revision = answer.revision
        if answer.type == "DELETED":
            if self._known.pop(key, None) is not None:
                yield answer
        elif before is None or before.metadata.revision != answer.resource.metadata.revision:
            self._known[key] = answer.resource
            kind = "ADDED" if before is None else "MODIFIED"
            yield state_pb2.WatchResponse(type=kind, revision=answer.revision, resource=answer.resource)

    def _sync(self, answer: state_pb2.WatchResponse) -> Iterator[state_pb2.WatchResponse]:
        """Tell of what went while nobody watched, and that the present state is told."""
        self._revision = answer.revision
        for key in self._known.keys() - self._listed:
            gone = self._known.pop(key)
            yield state_pb2.WatchResponse(type="DELETED", revision=answer.revision, resource=gone)
        if not self._synced:
            self._synced = True
            yield answer
