"""What people are told while a container can't start."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.waiting import Narrator


def _make(reason: str, message: str = "", *, observed: int = 1) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(kind="Container")
    resource.metadata.generation = 1
    resource.container_status.observed_generation = observed
    resource.container_status.conditions.add(type="NetworksAvailable", reason="WaitingForNetworks")
    resource.container_status.conditions.add(type="Ready", status="False", reason=reason, message=message)
    return resource


def test_each_thing_that_is_waited_for_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator("web")
    for state in (
        _make("WaitingForImage", "image box:1 is not there", observed=0),
        _make("WaitingForDependencies", "not yet: db started"),
        _make("WaitingForDependencies", "not yet: db started"),
        _make("BackOff", "the process ended with exit code 1"),
        _make("Refused", "mount root file system: read-only file system"),
        _make("Refused", "mount root file system: read-only file system"),
        _make("Creating"),
        _make("Running"),
    ):
        narrator.look(state)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "hold: web waits for the containers that it depends on (not yet: db started)",
        "hold: web waits for the pause before its next start (the process ended with exit code 1)",
        "hold: web can't start yet and is tried again: mount root file system: read-only file system",
    ]
