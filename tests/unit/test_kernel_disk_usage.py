"""What is measured is what du counts."""

import os
import subprocess
from pathlib import Path

from controller.kernel.disk_usage import LocalDiskUsage, measure_tree
from controller.model.ids import Uid
from controller.model.layout import Layout


def _du(path: Path) -> int:
    answer = subprocess.run(["du", "-s", "-B1", str(path)], check=True, capture_output=True, text=True)
    return int(answer.stdout.split()[0])


def _fill(path: Path, count: int = 3) -> Path:
    """Make files, a hard link, a sparse file, a link, a directory."""
    (path / "folder").mkdir(parents=True)
    for number in range(count):
        (path / "folder" / str(number)).write_bytes(os.urandom(5000 + number))
    (path / "linked").hardlink_to(path / "folder" / "0")
    with (path / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    (path / "link").symlink_to("folder/0")
    return path


def test_a_tree_is_as_large_as_du_says(tmp_path: Path) -> None:
    path = _fill(tmp_path / "tree")
    size = measure_tree(str(path))
    assert size.allocated_bytes == _du(path)
    assert size.content_bytes == 5000 + 5001 + 5002 + (1 << 20) + len("folder/0")
    left_out = measure_tree(str(path), without=frozenset({f"{path}/folder"}))
    assert left_out.content_bytes == 5000 + (1 << 20) + len("folder/0")


def test_what_is_missing_takes_nothing(tmp_path: Path) -> None:
    assert measure_tree(str(tmp_path / "no")).allocated_bytes == 0


async def test_the_data_directory(tmp_path: Path) -> None:
    layout = Layout(root_path=f"{tmp_path}/root", run_path=f"{tmp_path}/run", instance="test")
    uid, volume = Uid("1" * 32), Uid("2" * 32)
    layer = _fill(Path(layout.layer_path("sha256:aa")))
    _fill(Path(layout.layers_path) / ".partial-x")
    Path(layout.blobs_path).mkdir(parents=True)
    (Path(layout.blobs_path) / "sha256-bb").write_bytes(b"x" * 9000)
    upper = _fill(Path(layout.upper_path(uid)))
    (Path(layout.container_path(uid)) / "log").write_bytes(b"y" * 9000)
    data = _fill(Path(layout.volume_path(volume)))
    usage = LocalDiskUsage(layout=layout)
    found = await usage.measure()
    assert {name: size.allocated_bytes for name, size in found.layers.items()} == {"sha256:aa": _du(layer)}
    assert list(found.documents) == ["sha256:bb"]
    assert found.images.allocated_bytes == _du(Path(layout.layers_path).parent)
    assert found.containers[uid].writable.allocated_bytes == _du(upper)
    assert found.containers[uid].whole.allocated_bytes == _du(Path(layout.container_path(uid)))
    assert found.volumes[volume].allocated_bytes == _du(data.parent)
    assert await usage.measure() == found
