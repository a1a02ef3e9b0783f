"""Waiting for what becomes of a container, and telling on standard error what it waits for itself."""

import sys
from collections.abc import Callable

from controller.api.v1 import resource_pb2
from controller.cli.client import Client

_WAITS = {
    "WaitingForImage": "its image",
    "WaitingForNetworks": "its networks",
    "WaitingForVolumes": "its volumes",
    "WaitingForDependencies": "the containers that it depends on",
    "WaitingForContainers": "other containers",
    "BackOff": "the pause before its next start",
}
"""What a container waits for, by the reason of its condition Ready."""

SETBACKS = (
    "Conflict", "Damaged", "Exhausted", "Invalid", "NotFound", "Refused", "Unavailable", "Unsupported",
)  # fmt: skip
"""Reasons why a step failed that is tried again."""


def find_setback(state: resource_pb2.Resource) -> str:
    """Return what of a running container's present spec could not be done; empty when all was."""
    ready = next((each for each in state.container_status.conditions if each.type == "Ready"), None)
    return ready.message if ready is not None and ready.reason in SETBACKS else ""


class Narrator:
    """Tells what a container waits for, each thing once, on standard error."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = ("", "")

    def look(self, state: resource_pb2.Resource) -> None:
        """Tell what a state of the container waits for, if its status speaks of the present spec."""
        status = state.container_status
        if status.observed_generation < state.metadata.generation:
            return
        for condition in status.conditions:
            if condition.type == "Ready":
                self.tell(condition.reason, condition.message)

    def tell(self, reason: str, message: str) -> None:
        """Print a line for a reason to wait or to try again, nothing for others or when it was the last one told."""
        if reason not in {*_WAITS, *SETBACKS} or self._told == (reason, message):
            return
        self._told = (reason, message)
        if reason in SETBACKS:
            print(
                f"hold: {self._name} can't start yet and is tried again: {message}",
                file=sys.stderr,
                flush=True,
            )
            return
        told = f" ({message})" if message else ""
        print(f"hold: {self._name} waits for {_WAITS[reason]}{told}", file=sys.stderr, flush=True)


def wait_for_status(
    client: Client, container: resource_pb2.Resource, test: Callable[[resource_pb2.Resource], bool]
) -> resource_pb2.Resource:
    """Return the first state of the container that passes the test, or the last when it goes away.

    A container of the same name that was made later counts as gone.
    """
    last, is_there = container, False
    for change in client.watch("Container", container.metadata.name):
        if change.type == "SYNCED":
            if not is_there:
                break
            continue
        if change.resource.metadata.uid != container.metadata.uid:
            break
        last, is_there = change.resource, True
        if change.type == "DELETED" or test(last):
            break
    return last
