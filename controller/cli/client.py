"""What commands ask of a daemon, in messages; imports no more than one service's stubs at first."""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.following import ResourceWatch
from controller.cli.parser import suggest
from controller.cli.transport import CallFailed, Channel

ABORTED, FAILED_PRECONDITION, NOT_FOUND = 10, 9, 5
_ATTEMPTS = 5
PATIENCE_S = 60.0
"""How long verbs wait for a daemon that went away in the middle."""

KINDS = {
    "Container": ("container", "containers", "co", "c"),
    "Network": ("network", "networks", "net"),
    "Volume": ("volume", "volumes", "vol"),
    "Image": ("image", "images", "img"),
}
"""Each kind with the words people use for it."""


class Failure(Exception):
    """A command can't do what it was asked for; `code` 0 leaves the exit code to the command's custom."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Missing(Failure):
    """There is no container of a name."""


def parse_kind(word: str) -> str:
    """Return the kind that a word means; Failure lists the words."""
    for kind, words in KINDS.items():
        if word.lower() in words:
            return kind
    known = ", ".join(words[0] for words in KINDS.values())
    near = suggest(word.lower(), (each for words in KINDS.values() for each in words))
    raise Failure(f"{word!r} is not a kind of object{near}; known are {known}")


def parse_references(words: list[str]) -> list[state_pb2.Key]:
    """Return the keys for `TYPE NAME...` or `TYPE/NAME...`."""
    if words and all("/" in word for word in words):
        keys = []
        for word in words:
            kind, _, name = word.partition("/")
            keys.append(state_pb2.Key(kind=parse_kind(kind), name=name))
        return keys
    if not words:
        return []
    kind = parse_kind(words[0])
    return [state_pb2.Key(kind=kind, name=name) for name in words[1:]]


Resources: TypeAlias = list[resource_pb2.Resource]


class Client:
    """Calls of one command."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def get(self, kind: str, name: str) -> resource_pb2.Resource:
        """Return an object; CallFailed with NOT_FOUND when there is none."""
        request = state_pb2.GetRequest(key=state_pb2.Key(kind=kind, name=name))
        return self.channel.unary("StateService/Get", request, state_pb2.GetResponse).resource

    def find(self, kind: str, name: str) -> resource_pb2.Resource | None:
        """Return an object, None when there is none."""
        try:
            return self.get(kind, name)
        except CallFailed as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def find_container(self, name: str) -> resource_pb2.Resource:
        """Return a container by its name or by the beginning of its uid."""
        found = self.find("Container", name)
        if found is not None:
            return found
        if re.fullmatch(r"[0-9a-f]{4,32}", name):
            matches = [each for each in self.list_all("Container") if each.metadata.uid.startswith(name)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise Failure(
                    f"{name} is the beginning of the ids of {len(matches)} containers: give more of it"
                )
        near = suggest(name, (each.metadata.name for each in self.list_all("Container")))
        raise Missing(f"container {name} does not exist{near}: `hold ps -a` lists those that do")

    def list_all(self, kind: str = "", selector: str = "") -> Resources:
        """Return all objects of a kind (or of all kinds) that match a label selector."""
        found: Resources = []
        token = ""
        while True:
            request = state_pb2.ListRequest(kind=kind, label_selector=selector, page_token=token)
            page = self.channel.unary("StateService/List", request, state_pb2.ListResponse)
            found.extend(page.resources)
            token = page.next_page_token
            if not token:
                return found

    def apply(self, request: state_pb2.ApplyRequest) -> state_pb2.ApplyResponse:
        """Write a batch."""
        return self.channel.unary("StateService/Apply", request, state_pb2.ApplyResponse)

    def create(self, resources: Iterable[resource_pb2.Resource]) -> state_pb2.ApplyResponse:
        """Write objects that must not be there yet; CallFailed tells which one is."""
        return self.apply(state_pb2.ApplyRequest(resources=resources, create_only=True))

    def change(
        self, kind: str, name: str, edit: Callable[[resource_pb2.Resource], None]
    ) -> resource_pb2.Resource:
        """Edit an object in place, on behalf of its manager; tries again when somebody else wrote in between."""
        for attempt in range(_ATTEMPTS):
            resource = self.find_container(name) if kind == "Container" else self.get(kind, name)
            edit(resource)
            resource.ClearField("status")
            request = state_pb2.ApplyRequest(resources=[resource], manager=resource.metadata.manager)
            try:
                return self.apply(request).resources[0]
            except CallFailed as error:
                if error.code != ABORTED or attempt == _ATTEMPTS - 1:
                    raise
        raise Failure(f"{kind.lower()} {name} is written by others all the time: try again")

    def delete(self, request: state_pb2.DeleteRequest) -> state_pb2.DeleteResponse:
        """Ask for deletion."""
        return self.channel.unary("StateService/Delete", request, state_pb2.DeleteResponse)

    def watch(
        self, kind: str = "", name: str = "", selector: str = "", *, patience_s: float | None = PATIENCE_S
    ) -> Iterable[state_pb2.WatchResponse]:
        """Yield the present state, SYNCED, and then changes; goes on over restarts of the daemon.

        `patience_s` is how long one that went away is waited for, None for ever.
        """
        request = state_pb2.WatchRequest(kind=kind, name=name, label_selector=selector)
        return ResourceWatch(request).follow(self.channel, patience_s=patience_s)
