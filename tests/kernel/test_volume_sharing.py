"""Where the file system shares blocks, copies of volumes take no space."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.kernel.subprocesses import Runner
from controller.kernel.syscalls import syncfs
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant, VolumeWant
from tests.fakes.drivers import no_drivers

DATA, COPY, FILLED = Uid("a" * 32), Uid("b" * 32), Uid("c" * 32)
_DISK_BYTES = 300 << 20
"""The least that mkfs.xfs(8) takes; hardly any of it is written."""
_FILE_BYTES = 16 << 20


@pytest.fixture
def disk_path(tmp_path: Path) -> Iterator[Path]:
    """A disk with xfs."""
    known = Path("/proc/filesystems").read_text().split()
    if shutil.which("mkfs.xfs") is None or "xfs" not in known or not Path("/dev/loop-control").exists():
        pytest.skip("this host has no xfs (xfsprogs), or no loop devices")
    image_path, path = tmp_path / "image", tmp_path / "disk"
    path.mkdir()
    with image_path.open("wb") as image:
        image.truncate(_DISK_BYTES)
    subprocess.run(["mkfs.xfs", "-q", image_path], check=True)
    subprocess.run(["mount", "-o", "loop", image_path, path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def _count_used_bytes(path: Path) -> int:
    """Return how much of a file system is in use, once all is written."""
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs(directory_fd)
    finally:
        os.close(directory_fd)
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


async def test_copies_of_all_kinds_share_blocks(disk_path: Path, tmp_path: Path) -> None:
    layout = Layout(root_path=str(disk_path), run_path=str(tmp_path / "run"), instance="sharing")
    runner = Runner()
    mounts = VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes)
    volumes = LocalVolumes(layout=layout, mounts=mounts)
    contents = VolumeFiles(layout=layout, runner=runner, mounts=mounts)
    for volume in (DATA, FILLED):
        await volumes.ensure(volume)
    layer_path = disk_path / "layer"
    for path in (Path(layout.volume_path(DATA)), layer_path / "srv"):
        path.mkdir(parents=True, exist_ok=True)
        (path / "file").write_bytes(os.urandom(_FILE_BYTES))
    before = _count_used_bytes(disk_path)

    await contents.copy(COPY, VolumeWant(uid=DATA))
    await contents.revert(VolumeWant(uid=COPY), VolumeWant(uid=DATA), force=True)
    root = RootWant(uid=COPY, lower_paths=(str(layer_path),))
    await contents.prefill(VolumeWant(uid=FILLED), root, "/srv")

    assert _count_used_bytes(disk_path) - before < _FILE_BYTES // 4
    for volume, source_path in ((COPY, Path(layout.volume_path(DATA))), (FILLED, layer_path / "srv")):
        copied = (Path(layout.volume_path(volume)) / "file").read_bytes()
        assert copied == (source_path / "file").read_bytes()
