"""Volumes that plugins keep: `PluginVolumes(plugins=)` implements `controller.ports.plugins.VolumeDrivers`."""

import asyncio
from pathlib import Path

from controller.errors import NotFound, Refused, Unavailable, Unsupported
from controller.model.plugins import DrivenVolume, DrivenVolumeFacts
from controller.plugins.plugin import Plugin
from controller.plugins.registry import Plugins
from controller.plugins.v1 import plugin_pb2, volume_driver_pb2, volume_driver_pb2_grpc

_KIND = plugin_pb2.DRIVER_KIND_VOLUME


class PluginVolumes:
    """Asks the plugin that a volume names."""

    def __init__(self, *, plugins: Plugins) -> None:
        self._plugins = plugins

    async def read(self, volume: DrivenVolume) -> DrivenVolumeFacts:
        """Return what the plugin tells of a volume, or why it tells nothing."""
        plugin, stub = self._find(volume)
        request = volume_driver_pb2.GetVolumeRequest(id=volume.uid)
        try:
            answer = await plugin.call(_KIND, stub.GetVolume, request, what=f"volume {volume.name}")
        except NotFound:
            return DrivenVolumeFacts()
        except (Unavailable, Unsupported, Refused) as error:
            return DrivenVolumeFacts(fault=error.message)
        return DrivenVolumeFacts(
            present=True, current=answer.volume == _describe(volume), mounted=answer.mounted
        )

    async def ensure(self, volume: DrivenVolume) -> None:
        """Let the plugin make the volume, or make it so again."""
        plugin, stub = self._find(volume)
        request = volume_driver_pb2.EnsureVolumeRequest(volume=_describe(volume))
        await plugin.call(_KIND, stub.EnsureVolume, request, what=f"volume {volume.name}")

    async def remove(self, volume: DrivenVolume) -> None:
        """Let the plugin remove the volume with its data."""
        plugin, stub = self._find(volume)
        request = volume_driver_pb2.RemoveVolumeRequest(id=volume.uid)
        await plugin.call(_KIND, stub.RemoveVolume, request, what=f"removal of volume {volume.name}")

    async def mount(self, volume: DrivenVolume) -> str:
        """Let the plugin show the data; return the host's directory, which has been looked at."""
        plugin, stub = self._find(volume)
        request = volume_driver_pb2.MountVolumeRequest(id=volume.uid)
        answer = await plugin.call(_KIND, stub.MountVolume, request, what=f"mount of volume {volume.name}")
        fault = await asyncio.to_thread(_find_fault, answer.path)
        if fault:
            raise Refused(
                f"plugin {plugin.name} shows volume {volume.name} at {answer.path[:200]!r}, which {fault}"
            )
        return answer.path

    async def unmount(self, volume: DrivenVolume) -> None:
        """Tell the plugin that the directory is not needed any more."""
        plugin, stub = self._find(volume)
        request = volume_driver_pb2.UnmountVolumeRequest(id=volume.uid)
        await plugin.call(_KIND, stub.UnmountVolume, request, what=f"unmount of volume {volume.name}")

    def _find(
        self, volume: DrivenVolume
    ) -> tuple[Plugin, "volume_driver_pb2_grpc.VolumeDriverServiceAsyncStub"]:
        plugin = self._plugins.find(volume.driver)
        stub: volume_driver_pb2_grpc.VolumeDriverServiceAsyncStub = (
            volume_driver_pb2_grpc.VolumeDriverServiceStub(plugin.channel)
        )
        return plugin, stub


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
