"""What `hold container prune` takes and what it leaves."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.prune import is_prunable


def _make(
    phase: str, desired: str = "running", *, restart: str = "no", manager: str = "cli"
) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(kind="Container")
    resource.metadata.name = "web"
    resource.metadata.manager = manager
    resource.metadata.labels["app"] = "shop"
    resource.metadata.created_at.FromJsonString("2026-01-01T00:00:00Z")
    resource.container.desired = desired
    resource.container.restart.name = restart
    resource.container_status.phase = phase
    return resource


@pytest.mark.parametrize(
    ("container", "goes"),
    [
        (_make("Exited"), True),
        (_make("Exited", "stopped"), True),
        (_make("Pending", "stopped"), True),
        (_make("Failed"), True),
        (_make("Failed", restart="always"), False),
        (_make("Failed", "stopped", restart="always"), True),
        (_make("Running"), False),
        (_make("Stopping", "stopped"), False),
        (_make("Paused"), False),
        (_make("Pending"), False),
        (_make("Exited", manager="manifests"), False),
    ],
)
def test_only_what_stays_ended_goes(container: resource_pb2.Resource, goes: bool) -> None:
    assert is_prunable(container, []) is goes


@pytest.mark.parametrize(
    ("text", "goes"),
    [
        ("label=app", True),
        ("label=app=shop", True),
        ("label=app=other", False),
        ("label!=app", False),
        ("label!=app=other", True),
        ("until=2026-01-02", True),
        ("until=2025-12-31T23:59:59Z", False),
    ],
)
def test_filters(text: str, goes: bool) -> None:
    assert is_prunable(_make("Exited"), [text]) is goes


@pytest.mark.parametrize("text", ["until!=1h", "name=web", "label", ""])
def test_wrong_filters_are_told(text: str) -> None:
    with pytest.raises(Failure, match="--filter"):
        is_prunable(_make("Exited"), [text])
