"""Disk usage as people read it."""

import pytest

from controller.api.v1 import system_pb2
from controller.cli.system_df import describe_containers, describe_images, describe_totals, describe_volumes
from controller.cli.tables import parse_time, render_size

NOW = parse_time("2026-01-10T00:00:00Z")


@pytest.mark.parametrize(
    ("size", "three", "four"),
    [
        (0, "0B", "0B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1kB"),
        (999_600, "1MB", "999.6kB"),
        (999_960, "1MB", "1MB"),
        (2_014_990, "2.01MB", "2.015MB"),
        (5 * 10**15, "5PB", "5PB"),
    ],
)
def test_sizes(size: int, three: str, four: str) -> None:
    assert (render_size(size), render_size(size, digits=4)) == (three, four)


def test_totals() -> None:
    answer = system_pb2.GetDiskUsageResponse()
    answer.totals.add(kind="Image", total=2, active=1, size_bytes=2000, reclaimable_bytes=1500)
    answer.totals.add(kind="Volume")
    assert [tuple(row.values()) for row in describe_totals(answer)] == [
        ("Images", "2", "1", "2kB", "1.5kB (75%)"),
        ("Local Volumes", "0", "0", "0B", "0B"),
    ]


def test_each_object() -> None:
    answer = system_pb2.GetDiskUsageResponse()
    image = answer.images.add(id="sha256:" + "a" * 64, names=["shop:1"], size_bytes=300, shared_bytes=100)
    image.created_at.FromJsonString("2026-01-01T00:00:00Z")
    answer.images.add(id="sha256:" + "b" * 64, size_bytes=5)
    answer.containers.add(uid="c" * 32, name="web", command=["sh", "-c", "x" * 40], size_bytes=7, volumes=1)
    answer.volumes.add(name="data", size_bytes=9, containers=["web"])
    first, second = describe_images(answer, NOW)
    assert (first["Repository"], first["Tag"], first["UniqueSize"]) == ("shop", "1", "200B")
    assert (first["CreatedSince"], second["CreatedSince"]) == ("9 days ago", "N/A")
    assert second["Repository"] == "<none>"
    (container,) = describe_containers(answer, NOW)
    assert (container["ID"], len(container["Command"]), container["LocalVolumes"]) == ("c" * 12, 22, "1")
    assert describe_volumes(answer) == [{"Name": "data", "Links": "1", "Size": "9B"}]
