"""The Volume kind."""

from typing import Literal

from pydantic import Field

from controller.model.base import Model
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status

ANONYMOUS_LABEL = "hold.anonymous"
"""Label of volumes that nobody named; its value is the uid of the container that they were made for."""


class VolumeSpec(Model):
    """A directory that outlives containers."""

    driver: Literal["local"] = Field(
        default="local", description="Where the data lives; local is a directory of this host."
    )


class VolumeAssigned(Model):
    """Volumes need nothing to be chosen."""


class VolumeStatus(Status):
    """A volume as last observed."""

    path: str = Field(default="", description="The directory on the host.")


class Volume(Model):
    """A volume, its desired and its observed state."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Volume"] = Field(default="Volume", description="The kind of the object.")
    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()
    assigned: VolumeAssigned | None = Field(default=None, exclude=True)
    status: VolumeStatus = VolumeStatus()
