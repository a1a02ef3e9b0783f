"""Resources survive the wire."""

import pytest

from controller.api.convert import to_draft, to_proto
from controller.api.v1 import resource_pb2
from controller.errors import Invalid
from controller.model.kinds import RESOURCE_ADAPTER, Resource
from tests.unit.api_bench import container, volume

FULL = {
    "kind": "Container",
    "metadata": {"name": "web", "labels": {"a": ""}, "uid": "0" * 32, "revision": 4},
    "spec": {
        "image": "shop:1", "entrypoint": [], "command": ["a", ""], "environment": {"A": ""},
        "workingDir": "/w", "user": "me", "hostname": "h",
        "mounts": ["data:/data:ro", {"type": "tmpfs", "target": "/tmp", "size": "16MiB", "mode": 0}],
        "networks": [{"name": "n", "aliases": ["x"], "ipv4": "10.1.0.2", "mac": "02:00:00:00:00:01"}],
        "ports": ["127.0.0.1:8080:80/udp", "81"], "resources": {"memory": "64MiB", "cpus": 0.5, "pids": 3},
        "restart": "on-failure:3", "dependsOn": {"db": {"condition": "completed"}, "c": {}},
        "desired": "paused", "run": 2, "stopSignal": "INT", "stopGracePeriod": 0, "tty": True,
        "stdinOpen": True, "readOnly": True, "runtime": "runc", "ulimits": {"core": 0},
    },
}  # fmt: skip
OTHERS = [
    {"kind": "Container", "metadata": {"name": "min"}, "spec": {"rootfs": "/"}},
    {"kind": "Network", "metadata": {"name": "n"}, "spec": {"subnets": ["10.1.0.0/24"], "masquerade": False}},
    {"kind": "Network", "metadata": {"name": "n"}},
    {"kind": "Volume", "metadata": {"name": "v"}},
    {
        "kind": "Image",
        "metadata": {"name": "i:1"},
        "spec": {"source": {"directory": "/d"}, "config": {"entrypoint": [], "environment": {"A": "b"}}},
    },
]


@pytest.mark.parametrize("fields", [FULL, *OTHERS])
def test_a_spec_comes_back_as_it_was(fields: dict[str, object]) -> None:
    resource: Resource = RESOURCE_ADAPTER.validate_python(fields)
    wire = to_proto(resource).SerializeToString()
    draft = to_draft(resource_pb2.Resource.FromString(wire))
    assert draft.spec == resource.spec
    assert draft.spec.model_dump() == resource.spec.model_dump()
    assert draft.labels == resource.metadata.labels
    assert (draft.uid, draft.revision) == (resource.metadata.uid, resource.metadata.revision)


def test_absent_and_empty_differ() -> None:
    absent, empty = container("a"), container("a")
    empty.container.command.SetInParent()
    for message, expected in ((absent, None), (empty, ())):
        spec = to_draft(message).spec
        assert spec.model_dump()["command"] == expected


def test_what_admission_chose_stays_inside() -> None:
    fields = {**FULL, "assigned": {"networks": {"n": {"ipv4": "10.9.9.9", "mac": "02:00:00:00:00:09"}}}}
    assert "10.9.9.9" not in str(to_proto(RESOURCE_ADAPTER.validate_python(fields)))


def test_what_hold_sets_is_left_aside() -> None:
    message = volume("a")
    message.metadata.generation = 9
    message.metadata.manager = "someone"
    message.volume_status.path = "/etc"
    assert to_draft(message) == to_draft(volume("a"))


def test_words_have_to_be_texts() -> None:
    message = container("a")
    message.container.command.add_list()
    with pytest.raises(Invalid, match=r"Container/a: spec\.command\[0\]"):
        to_draft(message)
