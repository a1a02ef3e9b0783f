"""Waiting until objects are gone, and telling why they are not."""

import sys
from collections.abc import Iterable
from typing import Any

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.transport import CallFailed

_Place = tuple[str, str]


def complete_name(key: state_pb2.Key) -> str:
    """Return the name, an image's with its tag."""
    if key.kind != "Image" or ":" in key.name.rsplit("/", 1)[-1]:
        return key.name
    return f"{key.name}:latest"


def add_removal(verbs: Any, noun: str, metavar: str) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the flags of `rm` of a kind."""
    parser = verbs.add_parser("rm", aliases=["remove"], help=f"Remove {noun}.")
    text = "No error for one that is not there; what a plugin made goes without it, if need be."
    parser.add_argument("-f", "--force", action="store_true", help=text)
    parser.add_argument("names", nargs="+", metavar=metavar)


def remove(client: Client, kind: str, names: list[str], *, force: bool = False) -> int:
    """Delete objects and wait until they are gone; by force those that are there, and without their plugins.

    One that can't go, which is told, does not keep the others; the exit code is 1 then.
    """
    if force:
        names = [name for name in names if client.find(kind, name) is not None]
    try:
        _delete(client, kind, names, force=force)
    except CallFailed:
        if len(names) == 1:
            raise
    else:
        return 0
    code = 0
    for name in names:
        try:
            _delete(client, kind, [name], force=force)
        except CallFailed as error:
            print(f"hold: {error}", file=sys.stderr)
            code = 1
    return code


def _delete(client: Client, kind: str, names: list[str], *, force: bool) -> None:
    keys = [state_pb2.Key(kind=kind, name=name) for name in names]
    if keys:
        wait_for_deletion(client, client.delete(state_pb2.DeleteRequest(keys=keys, forget_drivers=force)))
        print("\n".join(names))


def wait_for_deletion(client: Client, answer: state_pb2.DeleteResponse) -> None:
    """Return when nothing of what the answer tells is there any more; Failure says why something can't go."""
    known = {_place_of(each.key) for each in answer.outcomes if each.verb == "unchanged"}
    _wait(client, (each.key for each in answer.outcomes), _Judge(known, answer.revision))


def wait_until_gone(client: Client, keys: Iterable[state_pb2.Key]) -> None:
    """Return when none of the objects is there any more, however long that takes."""
    _wait(client, keys, None)


class _Judge:
    """Looks at what happens to objects after their deletion was asked for at `revision`; `known` were asked for before."""

    def __init__(self, known: set[_Place], revision: int) -> None:
        self._known = known
        self._revision = revision

    def look(self, place: _Place, change: state_pb2.WatchResponse) -> None:
        """Raise Failure for an object that can't go; warn of one that left something behind."""
        resource = change.resource
        if place not in self._known and resource.metadata.revision <= self._revision:
            return
        for condition in _list_conditions(resource):
            if condition.reason == "NotDeleted" and change.type != "DELETED":
                raise Failure(
                    f"{place[0].lower()}/{place[1]} is not gone yet, and goes by itself once this is mended: {condition.message}"
                    + _advise(resource)
                )
            if condition.reason == "DriverForgotten" and change.type == "DELETED":
                print(f"hold: warning: {place[0].lower()}/{place[1]}: {condition.message}", file=sys.stderr)


def _wait(client: Client, keys: Iterable[state_pb2.Key], judge: _Judge | None) -> None:
    waiting = {_place_of(key) for key in keys}
    if not waiting:
        return
    kinds = {kind for kind, _ in waiting}
    there: set[_Place] = set()
    is_synced = False
    for change in client.watch(kinds.pop() if len(kinds) == 1 else ""):
        place = (change.resource.kind, change.resource.metadata.name)
        is_synced = is_synced or change.type == "SYNCED"
        if judge is not None and place in waiting and change.resource.metadata.HasField("deleted_at"):
            judge.look(place, change)
        if place in waiting and change.type != "DELETED" and change.resource.metadata.HasField("deleted_at"):
            there.add(place)
        else:  # gone, or made anew by others
            there.discard(place)
        if is_synced and not there:
            return


def _place_of(key: state_pb2.Key) -> _Place:
    return key.kind, complete_name(key)


def _list_conditions(resource: resource_pb2.Resource) -> Iterable[resource_pb2.Condition]:
    match resource.kind:
        case "Network":
            return resource.network_status.conditions
        case "Volume":
            return resource.volume_status.conditions
        case _:
            return ()


def _advise(resource: resource_pb2.Resource) -> str:
    """Return what else can be done about an object that a plugin does not let go."""
    driver = resource.network_status.driver or resource.volume_status.driver
    return f"; --force deletes it without plugin {driver}" if driver else ""
