"""`hold diff` of one object."""

from controller.api.v1 import resource_pb2
from controller.cli.diff import compare


def _make(image: str, *ports: int) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(api_version="hold/v1", kind="Container")
    resource.metadata.name = "web"
    resource.metadata.manager = "cli"
    resource.metadata.uid = "f" * 32
    resource.container.image = image
    for port in ports:
        resource.container.ports.add(container_port=port)
    resource.container_status.pid = 7
    return resource


def test_what_changes_is_shown_in_its_place() -> None:
    lines = list(compare("container/web", _make("shop:1", 80), _make("shop:2", 80, 81)))
    assert lines == [
        "--- present/container/web",
        "+++ declared/container/web",
        "@@ -3,6 +3,7 @@",
        "   name: web",
        "   manager: cli",
        " spec:",
        "-  image: shop:1",
        "+  image: shop:2",
        "   ports:",
        "     - containerPort: 80",
        "+    - containerPort: 81",
    ]


def test_what_comes_and_goes_is_shown_whole() -> None:
    made = list(compare("container/web", None, _make("shop:1")))
    gone = list(compare("container/web", _make("shop:1"), None))
    assert made[3:] == [
        "+kind: Container",
        "+metadata:",
        "+  name: web",
        "+  manager: cli",
        "+spec:",
        "+  image: shop:1",
    ]
    assert [line[1:] for line in gone[3:]] == [line[1:] for line in made[3:]]
