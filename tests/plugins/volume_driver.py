"""A driver of volumes: `python -m tests.plugins.volume_driver SOCKET DIRECTORY`.

It keeps each volume in a directory of its own below DIRECTORY, and knows one option, `mode`: permission bits of a new
volume in octal. What it was told lies beside the data, so that it can be killed and started again at any time.
"""

import shutil
import sys
from pathlib import Path

import grpc

from controller.plugins.v1 import plugin_pb2, volume_driver_pb2, volume_driver_pb2_grpc
from tests.plugins.serving import serve

_OPTIONS = {"mode"}


class VolumeDriver(volume_driver_pb2_grpc.VolumeDriverServiceServicer):
    """DIRECTORY/ID has `told` (the volume as it was ensured), `data`, and `mounted` while it is shown."""

    def __init__(self, directory_path: Path) -> None:
        self._directory_path = directory_path

    def GetVolume(  # noqa: N802 - gRPC's name
        self, request: volume_driver_pb2.GetVolumeRequest, context: grpc.ServicerContext
    ) -> volume_driver_pb2.GetVolumeResponse:
        place = self._directory_path / request.id
        if not (place / "told").exists():
            context.abort(grpc.StatusCode.NOT_FOUND, "no such volume")
        told = volume_driver_pb2.Volume.FromString((place / "told").read_bytes())
        return volume_driver_pb2.GetVolumeResponse(volume=told, mounted=(place / "mounted").exists())

    def EnsureVolume(  # noqa: N802
        self, request: volume_driver_pb2.EnsureVolumeRequest, context: grpc.ServicerContext
    ) -> volume_driver_pb2.EnsureVolumeResponse:
        volume, place = request.volume, self._directory_path / request.volume.id
        unknown = sorted(volume.options.keys() - _OPTIONS)
        if unknown:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"option {unknown[0]!r} is not known: use mode")
        if not (place / "data").exists():
            (place / "data").mkdir(parents=True)
            (place / "data").chmod(int(volume.options.get("mode", "755"), 8))
        # The last step: a volume that was told of half-made would never be finished.
        (place / "told").write_bytes(volume.SerializeToString())
        return volume_driver_pb2.EnsureVolumeResponse()

    def RemoveVolume(  # noqa: N802
        self, request: volume_driver_pb2.RemoveVolumeRequest, context: grpc.ServicerContext
    ) -> volume_driver_pb2.RemoveVolumeResponse:
        del context
        shutil.rmtree(self._directory_path / request.id, ignore_errors=True)
        return volume_driver_pb2.RemoveVolumeResponse()

    def MountVolume(  # noqa: N802
        self, request: volume_driver_pb2.MountVolumeRequest, context: grpc.ServicerContext
    ) -> volume_driver_pb2.MountVolumeResponse:
        place = self._directory_path / request.id
        if not (place / "data").exists():
            context.abort(grpc.StatusCode.NOT_FOUND, "no such volume")
        (place / "mounted").touch()
        return volume_driver_pb2.MountVolumeResponse(path=str(place / "data"))

    def UnmountVolume(  # noqa: N802
        self, request: volume_driver_pb2.UnmountVolumeRequest, context: grpc.ServicerContext
    ) -> volume_driver_pb2.UnmountVolumeResponse:
        del context
        (self._directory_path / request.id / "mounted").unlink(missing_ok=True)
        return volume_driver_pb2.UnmountVolumeResponse()


def main(socket_path: str, directory_path: str) -> None:
    """Serve until SIGTERM."""
    driver = VolumeDriver(Path(directory_path))
    serve(
        Path(socket_path),
        [plugin_pb2.DRIVER_KIND_VOLUME],
        lambda server: volume_driver_pb2_grpc.add_VolumeDriverServiceServicer_to_server(driver, server),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
