"""Volumes of nfs, on the kernel's own server: in the virtual machine, as other kernels may not have it.

The server is told by hand what rpc.mountd(8) tells it otherwise (kernel, filesystems/nfs/rpc-cache.rst).
"""

import os
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.volume import VolumeSpec
from controller.model.wants import RootWant, VolumeWant
from controller.plan.volume_mount import derive_mount
from tests.fakes.drivers import no_drivers

DATA, WEB = Uid("a" * 32), Uid("1" * 32)
_FOR_EVER = 4102444800
_NO_SUBTREE_CHECK, _FSID, _ROOT_SQUASH = 0x0400, 0x2000, 0x0004
"""Flags of an export (linux/nfsd/export.h)."""
_SERVER_PATH = Path("/proc/fs/nfsd")
_SETTINGS = (
    ("nfsv4gracetime", "15\n"), ("nfsv4leasetime", "15\n"), ("versions", "-3\n"), ("portlist", "tcp 2049\n"), ("threads", "2\n"),
)  # fmt: skip
"""Version 3 wants another server to register with."""


def _tell(name: str, line: str) -> None:
    """Fill a cache of the server; it takes a line in one piece."""
    with Path("/proc/net/rpc", name, "channel").open("wb", buffering=0) as channel:
        channel.write(line.encode() + b"\n")


def _export(path: Path, flags: int = 0) -> None:
    flags |= _NO_SUBTREE_CHECK | _FSID
    _tell("nfsd.export", f"client {path} {_FOR_EVER} {flags} 65534 65534 0")


@pytest.fixture
def exported_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that the server shows as its root to 127.0.0.1."""
    if os.environ.get("HOLD_TEST_VM") != "1":
        pytest.skip("needs the virtual machine: run it by `make test-vm`")
    for module in ("nfsd", "nfsv4"):
        subprocess.run(["modprobe", module], check=True)
    path = tmp_path / "exported"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "exported", path], check=True)
    subprocess.run(["mount", "-t", "nfsd", "nfsd", _SERVER_PATH], check=True)
    _tell("auth.unix.ip", f"nfsd 127.0.0.1 {_FOR_EVER} client")
    _export(path)
    _tell("nfsd.fh", f"client 1 \\x00000000 {_FOR_EVER} {path}")
    for name, word in _SETTINGS:
        (_SERVER_PATH / name).write_text(word)
    yield path
    (_SERVER_PATH / "threads").write_text("0")
    subprocess.run(["umount", _SERVER_PATH], check=True)
    subprocess.run(["umount", "-l", path], check=True)


async def _read_file(path: Path) -> AsyncIterator[bytes]:
    yield path.read_bytes()


async def test_nfs(exported_path: Path, tmp_path: Path) -> None:
    runner = Runner()
    layout = Layout(root_path=str(tmp_path / "root"), run_path=str(tmp_path / "run"), instance="nfs")
    mounts = VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes)
    volumes = LocalVolumes(layout=layout, mounts=mounts)
    contents = VolumeFiles(layout=layout, runner=runner, mounts=mounts)
    options = {"type": "nfs", "device": ":/", "o": "addr=127.0.0.1,rw,vers=4.2"}
    want = VolumeWant(uid=DATA, mount=derive_mount(VolumeSpec(driver_options=options)))
    (tmp_path / "layer/srv").mkdir(parents=True)
    (tmp_path / "layer/srv/note").write_text("of the image")
    os.chown(tmp_path / "layer/srv/note", 7, 8)
    await volumes.ensure(DATA)
    await contents.prefill(want, RootWant(uid=WEB, lower_paths=(str(tmp_path / "layer"),)), "/srv")
    facts = await volumes.read(DATA)
    assert facts is not None
    assert facts.mounted
    status = (exported_path / "note").stat()
    assert ((exported_path / "note").read_text(), status.st_uid, status.st_gid) == ("of the image", 7, 8)
    (Path(layout.volume_path(DATA)) / "written").write_text("by a container")
    assert (exported_path / "written").read_text() == "by a container"
    await volumes.unmount(DATA)
    assert list(Path(layout.volume_path(DATA)).iterdir()) == []

    async with contents.reading(want) as archive:
        (tmp_path / "out.tar").write_bytes(b"".join([chunk async for chunk in archive]))
    with tarfile.open(tmp_path / "out.tar") as opened:
        assert opened.getnames() == [".", "./note", "./written"]
    (exported_path / "later").touch()
    await contents.restore(want, _read_file(tmp_path / "out.tar"), force=True)
    assert sorted(path.name for path in exported_path.iterdir()) == ["note", "written"]

    _export(exported_path, _ROOT_SQUASH)
    exported_path.chmod(0o777)
    with pytest.raises(Refused, match="owners can't be kept in this volume"):
        await contents.restore(want, _read_file(tmp_path / "out.tar"), force=True)
    assert sorted(path.name for path in exported_path.iterdir()) == ["note", "written"]
    await volumes.delete(DATA)

    lost = VolumeSpec(driver_options={**options, "device": ":/nowhere"})
    await volumes.ensure(DATA)
    with pytest.raises(Refused, match=":/nowhere can't be mounted as nfs"):
        await volumes.mount(VolumeWant(uid=DATA, mount=derive_mount(lost)))
