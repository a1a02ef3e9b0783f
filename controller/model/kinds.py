"""All kinds together: one union, and tables from a kind's name to its classes."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from controller.model.container import Container, ContainerAssigned, ContainerSpec, ContainerStatus
from controller.model.ids import Key, KindName
from controller.model.image import Image, ImageAssigned, ImageSpec, ImageStatus
from controller.model.network import Network, NetworkAssigned, NetworkSpec, NetworkStatus
from controller.model.volume import Volume, VolumeAssigned, VolumeSpec, VolumeStatus

Resource = Container | Network | Volume | Image
Spec = ContainerSpec | NetworkSpec | VolumeSpec | ImageSpec
Assigned = ContainerAssigned | NetworkAssigned | VolumeAssigned | ImageAssigned
AnyStatus = ContainerStatus | NetworkStatus | VolumeStatus | ImageStatus

RESOURCE_TYPES: dict[KindName, type[Resource]] = {
    "Container": Container,
    "Network": Network,
    "Volume": Volume,
    "Image": Image,
}

RESOURCE_ADAPTER: TypeAdapter[Resource] = TypeAdapter(Annotated[Resource, Field(discriminator="kind")])
"""Validates any resource by its `kind`."""


def key_of(resource: Resource) -> Key:
    """Return the key that names `resource`."""
    return Key(resource.kind, resource.metadata.name)
