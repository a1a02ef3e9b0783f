"""A volume's first content comes whole or not at all, whatever ends the copying."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import Exhausted
from controller.kernel.mountinfo import read_mounts
from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.facts import VolumeFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant, VolumeWant
from tests.fakes.drivers import no_drivers
from tests.machine import wait_for

DATA, WEB = Uid("a" * 32), Uid("1" * 32)
_NAMES = ("first", "second", "third")

_DAEMON = """
import asyncio, sys
from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.model.layout import Layout
from controller.model.wants import RootWant, VolumeWant
from tests.fakes.drivers import no_drivers

layout, runner = Layout(root_path=sys.argv[1], run_path=sys.argv[2], instance="fill"), Runner()
mounts = VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes)
contents = VolumeFiles(layout=layout, runner=runner, mounts=mounts)
layers = tuple(sys.argv[3:])
root = RootWant(uid="1" * 32, lower_paths=layers)
asyncio.run(contents.prefill(VolumeWant(uid="a" * 32), root, "/srv"))
"""

_COPIES_ONE_FILE_ALONE = """\
#!/bin/sh
for target; do :; done
echo half >"$target/first"
touch {begun}
exec sleep 1000
"""


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Paths below a small file system of memory."""
    disk_path = tmp_path / "disk"
    disk_path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", disk_path], check=True)
    yield Layout(root_path=f"{disk_path}/root", run_path=str(tmp_path / "run"), instance="fill")
    subprocess.run(["umount", disk_path], check=True)


@pytest.fixture
def source(tmp_path: Path) -> RootWant:
    """Two layers with three files of a megabyte below /srv."""
    for index, name in enumerate(_NAMES):
        path = tmp_path / f"layer{index % 2}" / "srv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name[:1].encode() * (1 << 20))
    return RootWant(uid=WEB, lower_paths=(str(tmp_path / "layer0"), str(tmp_path / "layer1")))


def _open(layout: Layout) -> tuple[LocalVolumes, VolumeFiles]:
    """Return the adapters as a new daemon has them."""
    runner = Runner()
    mounts = VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes)
    return (
        LocalVolumes(layout=layout, mounts=mounts),
        VolumeFiles(layout=layout, runner=runner, mounts=mounts),
    )


def _read_sizes(layout: Layout) -> dict[str, int]:
    """Return the sizes of what lies in the volume's directories, relative to the volume."""
    volume_path = Path(layout.volume_path(DATA)).parent
    return {
        str(path.relative_to(volume_path)): path.stat().st_size
        for path in volume_path.rglob("*")
        if path.is_file()
    }


_ALL = {f"_data/{name}": 1 << 20 for name in _NAMES}


def _kill_while_copying(layout: Layout, source: RootWant, tmp_path: Path) -> None:
    """Let another process fill the volume, with a cp that never ends, and kill both."""
    program_path = tmp_path / "bin" / "cp"
    program_path.parent.mkdir()
    program_path.write_text(_COPIES_ONE_FILE_ALONE.format(begun=tmp_path / "begun"))
    program_path.chmod(0o755)
    daemon = subprocess.Popen(
        [sys.executable, "-c", _DAEMON, layout.root_path, layout.run_path, *source.lower_paths],
        env=os.environ | {"PATH": f"{program_path.parent}:{os.environ['PATH']}"},
        start_new_session=True,
    )
    try:
        wait_for((tmp_path / "begun").exists, "the copying")
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


async def test_a_daemon_killed_while_it_copies(layout: Layout, source: RootWant, tmp_path: Path) -> None:
    volumes, contents = _open(layout)
    await volumes.ensure(DATA)
    _kill_while_copying(layout, source, tmp_path)
    assert any(entry.target.startswith(layout.run_path) for entry in read_mounts())

    volumes, contents = _open(layout)
    await volumes.open()
    assert not any(entry.target.startswith(layout.run_path) for entry in read_mounts())
    assert await volumes.list() == (VolumeFacts(uid=DATA),)
    assert _read_sizes(layout) == {}
    await contents.prefill(VolumeWant(uid=DATA), source, "/srv")
    assert _read_sizes(layout) == _ALL


@pytest.mark.parametrize("by_opening", [True, False])
async def test_a_daemon_killed_after_it_has_copied(
    layout: Layout, source: RootWant, *, by_opening: bool
) -> None:
    volumes, contents = _open(layout)
    await volumes.ensure(DATA)
    await contents.prefill(VolumeWant(uid=DATA), source, "/srv")
    data_path = Path(layout.volume_path(DATA))
    (data_path.parent / "_filled").mkdir(mode=0o700)
    (data_path / "third").rename(data_path.parent / "_filled" / "third")
    if by_opening:
        await volumes.open()
    else:
        await contents.prefill(VolumeWant(uid=DATA), source, "/srv")
    assert _read_sizes(layout) == _ALL
    assert data_path.stat().st_mode & 0o777 == 0o700


async def test_a_full_disk_leaves_it_empty(layout: Layout, source: RootWant) -> None:
    volumes, contents = _open(layout)
    await volumes.ensure(DATA)
    ballast_path = Path(layout.root_path, "ballast")
    ballast_path.write_bytes(bytes(2 << 20))
    with pytest.raises(Exhausted, match="no space left for the copy: free some"):
        await contents.prefill(VolumeWant(uid=DATA), source, "/srv")
    assert _read_sizes(layout) == {}
    ballast_path.unlink()
    await contents.prefill(VolumeWant(uid=DATA), source, "/srv")
    assert _read_sizes(layout) == _ALL


async def test_what_was_half_made_or_half_deleted_is_no_volume(layout: Layout) -> None:
    volumes, _ = _open(layout)
    Path(layout.volumes_path, DATA).mkdir(parents=True)
    assert await volumes.list() == ()
    await volumes.open()
    assert list(Path(layout.volumes_path).iterdir()) == []
