"""The Volume kind."""

from typing import Literal, Self

from pydantic import Field, model_validator

from controller.model.base import Model
from controller.model.ids import ObjectName
from controller.model.mounts import Mount
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status
from controller.model.units import Text
from controller.model.volume_options import check_local_options

LOCAL = "local"
"""The driver that keeps data in directories of the host."""

ANONYMOUS_LABEL = "hold.anonymous"
"""Label of volumes that nobody named; its value is the uid of the container that they were made for."""

SNAPSHOT_LABEL = "hold.snapshot-of"
"""Label of volumes that are snapshots; its value is the name of the volume that they show as it was."""


class ContentSource(Model):
    """Where the first content of a volume comes from."""

    volume: ObjectName = Field(description="Another volume, copied as it is when this one is made.")
    pause: bool = Field(
        default=True, description="Whether containers that write to the other volume are paused meanwhile."
    )


class VolumeSpec(Model):
    """A directory that outlives containers."""

    driver: ObjectName = Field(
        default=LOCAL,
        description="Who keeps the data: local is a directory of this host, any other name is a plugin's.",
    )
    driver_options: dict[str, Text] = Field(
        default={},
        description="What the driver is told; for local type, o and device: what is mounted while containers use it.",
    )
    source: ContentSource | None = Field(
        default=None, description="Where the first content comes from; empty by default."
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.driver == LOCAL:
            check_local_options(self.driver_options)
        if self.source is not None and self.driver != LOCAL:
            raise ValueError(f"source is for volumes of driver local, not {self.driver}: leave it out")
        if self.source is not None and self.driver_options:
            raise ValueError("source is for a volume without driverOptions: restore into this one instead")
        return self


def make_volume_spec(mount: Mount) -> VolumeSpec:
    """Return the volume that is made for a mount when it isn't there."""
    return VolumeSpec(driver=mount.driver or LOCAL, driver_options=mount.driver_options)


class VolumeAssigned(Model):
    """What was decided about a volume beside its spec."""

    driver_forgotten: bool = False
    """Whether it may be deleted without the plugin that keeps it."""


class VolumeStatus(Status):
    """A volume as last observed."""

    path: str = Field(default="", description="The directory on the host.")
    driver: str = Field(default="", description="The plugin that has been asked to make it.")


class Volume(Model):
    """A volume, its desired and its observed state."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Volume"] = Field(default="Volume", description="The kind of the object.")
    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()
    assigned: VolumeAssigned | None = Field(default=None, exclude=True)
    status: VolumeStatus = VolumeStatus()
