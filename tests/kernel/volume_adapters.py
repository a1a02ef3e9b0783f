"""The adapters of volumes as a daemon has them, and archives for them."""

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

from controller.kernel.subprocesses import Runner
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volume_mounts import VolumeMounts
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.ids import Uid
from controller.model.layout import Layout
from tests.fakes.drivers import no_drivers


def open_volumes(layout: Layout) -> LocalVolumes:
    """Return the adapter as a new daemon has it."""
    return LocalVolumes(
        layout=layout, mounts=VolumeMounts(layout=layout, runner=Runner(), drivers=no_drivers().volumes)
    )


def open_contents(layout: Layout) -> VolumeFiles:
    """Return the adapter as a new daemon has it."""
    runner = Runner()
    return VolumeFiles(
        layout=layout,
        runner=runner,
        mounts=VolumeMounts(layout=layout, runner=runner, drivers=no_drivers().volumes),
    )


async def pieces(data: bytes, length: int = 1000) -> AsyncIterator[bytes]:
    """Yield data the way uploads come."""
    for at in range(0, len(data), length):
        yield data[at : at + length]


def place(layout: Layout, volume: Uid) -> Path:
    """Return the directory of a volume's data."""
    return Path(layout.volume_path(volume))


def pack(*entries: tuple[str, str]) -> bytes:
    """Return an archive of files, and of links where there is a target."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, target in entries:
            header = tarfile.TarInfo(name)
            header.type, header.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.REGTYPE, "")
            archive.addfile(header)
    return packed.getvalue()
