"""Volumes that plugins keep: `PluginVolumes(plugins=)` implements `controller.ports.plugins.VolumeDrivers`."""

import asyncio
from pathlib import Path

from controller.errors import Refused
from controller.model.plugins import DrivenVolume, DrivenVolumeFacts
from controller.plugins.desk import Desk
from controller.plugins.registry import Plugins
from controller.plugins.v1 import plugin_pb2, volume_driver_pb2, volume_driver_pb2_grpc


class PluginVolumes:
    """Asks the plugin that a volume names."""

    def __init__(self, *, plugins: Plugins) -> None:
        self._desk: Desk[volume_driver_pb2_grpc.VolumeDriverServiceAsyncStub] = Desk(
            plugins=plugins,
            kind=plugin_pb2.DRIVER_KIND_VOLUME,
            make_stub=volume_driver_pb2_grpc.VolumeDriverServiceStub,
        )

    async def read(self, volume: DrivenVolume) -> DrivenVolumeFacts:
        """Return what the plugin tells of a volume, or why it tells nothing."""
        request = volume_driver_pb2.GetVolumeRequest(id=volume.uid)
        answer, fault = await self._desk.look(
            volume.driver, lambda stub: stub.GetVolume, request, what=f"volume {volume.name}"
        )
        if answer is None:
            return DrivenVolumeFacts(fault=fault)
        return DrivenVolumeFacts(
            present=True, current=answer.volume == _describe(volume), mounted=answer.mounted
        )

    async def ensure(self, volume: DrivenVolume) -> None:
        """Let the plugin make the volume, or make it so again."""
        request = volume_driver_pb2.EnsureVolumeRequest(volume=_describe(volume))
        what = f"volume {volume.name}"
        await self._desk.ask(volume.driver, lambda stub: stub.EnsureVolume, request, what=what)

    async def remove(self, volume: DrivenVolume) -> None:
        """Let the plugin remove the volume with its data."""
        request = volume_driver_pb2.RemoveVolumeRequest(id=volume.uid)
        what = f"removal of volume {volume.name}"
        await self._desk.ask(volume.driver, lambda stub: stub.RemoveVolume, request, what=what)

    async def mount(self, volume: DrivenVolume) -> str:
        """Let the plugin show the data; return the host's directory, which has been looked at."""
        request = volume_driver_pb2.MountVolumeRequest(id=volume.uid)
        what = f"mount of volume {volume.name}"
        answer = await self._desk.ask(volume.driver, lambda stub: stub.MountVolume, request, what=what)
        fault = await asyncio.to_thread(_find_fault, answer.path)
        if fault:
            shown = f"plugin {volume.driver} shows volume {volume.name} at {answer.path[:200]!r}"
            raise Refused(f"{shown}, which {fault}")
        return answer.path

    async def unmount(self, volume: DrivenVolume) -> None:
        """Tell the plugin that the directory is not needed any more."""
        request = volume_driver_pb2.UnmountVolumeRequest(id=volume.uid)
        what = f"unmount of volume {volume.name}"
        await self._desk.ask(volume.driver, lambda stub: stub.UnmountVolume, request, what=what)


def _describe(volume: DrivenVolume) -> volume_driver_pb2.Volume:
    return volume_driver_pb2.Volume(id=volume.uid, name=volume.name, options=volume.options)


def _find_fault(path: str) -> str:
    """Return what is wrong with a directory that a plugin tells, nothing when it can be mounted."""
    if not path.startswith("/") or "\0" in path:
        return "is no absolute path"
    if Path(path).resolve() == Path("/"):
        return "is the host's root"
    if not Path(path).is_dir():
        return "is no directory of the host"
    return ""
