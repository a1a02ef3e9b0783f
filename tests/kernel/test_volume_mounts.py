"""Volumes with options are mounted while somebody uses them, and never deleted with what they show."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import InUse, Refused, Unavailable
from controller.kernel.mountinfo import read_mounts
from controller.kernel.roots.staging import stage, unstage
from controller.kernel.subprocesses import Runner
from controller.kernel.syscalls import umount2
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.facts import VolumeFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import SubpathWant, VolumeMount, VolumeWant
from controller.plan.oci.staging import derive_volume_part_path
from tests.fakes.drivers import no_drivers

DATA, WEB = Uid("a" * 32), Uid("1" * 32)
MEMORY = VolumeWant(uid=DATA, mount=VolumeMount(kind="tmpfs", device="tmpfs", options=("size=1m", "uid=7")))


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Paths; what is mounted below them goes at the end."""
    made = Layout(root_path=str(tmp_path / "root"), run_path=str(tmp_path / "run"), instance="mounts")
    yield made
    for entry in reversed([*read_mounts(str(tmp_path))]):
        subprocess.run(["umount", entry.target], check=True)


@pytest.fixture
def volumes(layout: Layout) -> LocalVolumes:
    return open_volumes(layout)


def open_volumes(layout: Layout) -> LocalVolumes:
    """Return the adapter as a new daemon has it."""
    return LocalVolumes(
        layout=layout, mounts=VolumeMounts(layout=layout, runner=Runner(), drivers=no_drivers().volumes)
    )


def make_part(layout: Layout) -> SubpathWant:
    """Return what a container mounts of the volume."""
    return SubpathWant(
        path=derive_volume_part_path(layout, WEB, DATA, "/data"),
        root_path=layout.volume_path(DATA),
        subpath="",
        is_mounted=True,
    )


def _is_mounted(layout: Layout) -> bool:
    return any(entry.target == layout.volume_path(DATA) for entry in read_mounts())


async def test_it_is_mounted_once_and_stays_while_it_is_used(layout: Layout, volumes: LocalVolumes) -> None:
    await volumes.ensure(DATA)
    for _ in range(2):
        await volumes.mount(MEMORY)
    (Path(layout.volume_path(DATA)) / "file").touch()
    assert os.statvfs(layout.volume_path(DATA)).f_blocks * 4096 == 1 << 20
    assert Path(layout.volume_path(DATA)).stat().st_uid == 7
    stage([make_part(layout)], None)
    assert await open_volumes(layout).list() == (VolumeFacts(uid=DATA, mounted=True, parts=1),)
    await volumes.unmount(DATA)
    assert _is_mounted(layout)
    with pytest.raises(Refused, match="its content is not to be lost"):
        await volumes.delete(DATA)
    assert (Path(make_part(layout).path) / "file").exists()
    unstage(layout.staging_path(WEB))
    for _ in range(2):
        await open_volumes(layout).unmount(DATA)
    assert not _is_mounted(layout)
    assert await volumes.read(DATA) == VolumeFacts(uid=DATA)
    await volumes.delete(DATA)


async def test_what_was_unmounted_comes_back_from_who_uses_it(layout: Layout, volumes: LocalVolumes) -> None:
    await volumes.ensure(DATA)
    await volumes.mount(MEMORY)
    (Path(layout.volume_path(DATA)) / "file").touch()
    stage([make_part(layout)], None)
    umount2(layout.volume_path(DATA))
    assert list(Path(layout.volume_path(DATA)).iterdir()) == []
    await volumes.mount(MEMORY)
    assert [path.name for path in Path(layout.volume_path(DATA)).iterdir()] == ["file"]


async def test_nobody_starts_on_what_is_not_mounted(layout: Layout, volumes: LocalVolumes) -> None:
    await volumes.ensure(DATA)
    with pytest.raises(Unavailable, match="is not mounted any more"):
        stage([make_part(layout)], None)


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (VolumeMount(kind="none", device="/no/where", options=("bind",)), "/no/where can't be mounted as none: special device /no/where does not exist"),
        (VolumeMount(kind="strangefs", device="x"), "x can't be mounted as strangefs: unknown filesystem type 'strangefs'"),
        (VolumeMount(kind="tmpfs", device="tmpfs", options=("size=lots",)), "tmpfs can't be mounted as tmpfs: wrong fs type, bad option"),
    ],
)  # fmt: skip
async def test_what_can_not_be_mounted_tells_why(
    layout: Layout, volumes: LocalVolumes, mount: VolumeMount, words: str
) -> None:
    await volumes.ensure(DATA)
    with pytest.raises(Refused) as caught:
        await volumes.mount(VolumeWant(uid=DATA, mount=mount))
    assert words in caught.value.message
    assert layout.volume_path(DATA) not in caught.value.message
    assert not _is_mounted(layout)


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    """An empty disk, in a file."""
    if not Path("/dev/loop-control").exists():
        pytest.skip("this host has no loop devices")
    path = tmp_path / "disk"
    with path.open("wb") as image:
        image.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    return path


async def test_a_disk_image_is_mounted_by_a_loop_device(
    layout: Layout, volumes: LocalVolumes, disk_path: Path
) -> None:
    mount = VolumeMount(kind="ext4", device=str(disk_path), options=("loop",))
    await volumes.ensure(DATA)
    for names in ([], ["file"]):
        await volumes.mount(VolumeWant(uid=DATA, mount=mount))
        found = [path.name for path in Path(layout.volume_path(DATA)).iterdir() if path.name != "lost+found"]
        assert found == names
        (Path(layout.volume_path(DATA)) / "file").touch()
        await volumes.unmount(DATA)
        assert list(Path(layout.volume_path(DATA)).iterdir()) == []


@pytest.fixture
def told_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have another mount(8), which only writes down what it is told: no kernel of ours knows nfs."""
    program_path = tmp_path / "bin" / "mount"
    program_path.parent.mkdir()
    program_path.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/told\n')
    program_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program_path.parent}:{os.environ['PATH']}")
    return tmp_path / "told"


async def test_nfs_is_mounted_by_the_address_of_its_server(
    layout: Layout, volumes: LocalVolumes, told_path: Path
) -> None:
    await volumes.ensure(DATA)
    options = ("addr=localhost", "rw", "vers=4.2")
    await volumes.mount(VolumeWant(uid=DATA, mount=VolumeMount(kind="nfs", device=":/srv", options=options)))
    told = told_path.read_text()
    path = layout.volume_path(DATA)
    assert told in {
        f"--internal-only --no-mtab -t nfs -o rw,vers=4.2,addr={address} -- :/srv {path}\n"
        for address in ("127.0.0.1", "::1")
    }
    nowhere = VolumeMount(kind="nfs4", device="nowhere.invalid:/srv")
    with pytest.raises(Unavailable, match=r"nfs server nowhere\.invalid is not known"):
        await volumes.mount(VolumeWant(uid=DATA, mount=nowhere))


async def test_nobody_begins_to_use_it_while_it_is_worked_on(layout: Layout) -> None:
    mounts = VolumeMounts(layout=layout, runner=Runner(), drivers=no_drivers().volumes)
    volumes = LocalVolumes(layout=layout, mounts=mounts)
    await volumes.ensure(DATA)
    await volumes.mount(MEMORY)
    async with mounts.undisturbed(DATA), mounts.undisturbed(DATA):
        with pytest.raises(Unavailable, match="is being filled"):
            stage([make_part(layout)], None)
        assert mounts.count_parts()[DATA] == 0
    stage([make_part(layout)], None)
    with pytest.raises(InUse, match="containers use the volume"):
        async with mounts.undisturbed(DATA):
            pass
    assert [path.name for path in Path(layout.volume_path(DATA)).parent.iterdir()] == ["_data"]


async def test_a_container_can_not_have_the_hosts_files_moved(volumes: LocalVolumes, tmp_path: Path) -> None:
    """Names that mean something to hold, made by somebody else, lead nowhere."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    shared_path = tmp_path / "shared"
    shared_path.mkdir()
    for name in (".hold-filled", ".hold-restored", ".hold-copy-x"):
        (shared_path / name).symlink_to(tmp_path / "precious")
    mount = VolumeMount(kind="none", device=str(shared_path), options=("bind",))
    await volumes.ensure(DATA)
    await volumes.mount(VolumeWant(uid=DATA, mount=mount))
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["file"]
    assert [path for path in shared_path.iterdir() if not path.is_symlink()] == []
