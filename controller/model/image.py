"""The Image kind: a root file system with defaults for how to run it."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from controller.model.base import Model
from controller.model.health import Healthcheck
from controller.model.image_reference import DEFAULT_TAG, parse_reference
from controller.model.platforms import parse_platform
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status
from controller.model.units import Text

_SOURCES = ("archive", "directory", "stored", "registry")


class ImageSource(Model):
    """Where an image comes from; exactly one field is set."""

    archive: str | None = Field(
        default=None,
        description="Absolute path of a tar archive: of a root file system, or of images, of which that of this name is taken.",
    )
    directory: str | None = Field(
        default=None, description="Absolute path of a directory to copy as the only layer."
    )
    stored: str | None = Field(
        default=None, description="Digest of a manifest in hold's own content store (after import)."
    )
    registry: str | None = Field(
        default=None,
        description="Reference to an image in a registry, such as alpine:3.20 or reg.example:5000/shop@sha256:...",
    )
    platform: str | None = Field(
        default=None,
        description="Platform of the image in the registry, such as linux/arm64; the host's by default.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(_SOURCES)}; found {', '.join(given) or 'none'}")
        if self.registry is not None:
            parse_reference(self.registry)
        if self.platform is not None:
            if self.registry is None:
                raise ValueError(f"platform goes with registry, not with {given[0]}: remove one of the two")
            parse_platform(self.platform)
        for name in ("archive", "directory"):
            path = getattr(self, name)
            if path is not None and (not path.startswith("/") or ".." in path.split("/")):
                raise ValueError(f"{name} {path!r} is not an absolute path without '..'")
        return self


class ImageConfig(Model):
    """Defaults for containers of an image (OCI image specification, config)."""

    entrypoint: tuple[str, ...] | None = Field(default=None, description="Program to run.")
    command: tuple[str, ...] | None = Field(
        default=None, description="Arguments of the entrypoint, or the program when there is none."
    )
    environment: dict[str, Text] = Field(default={}, description="Variables of the process.")
    working_dir: str | None = Field(default=None, description="Working directory of the process.")
    user: str | None = Field(
        default=None, description="User and group: NAME or UID, with an optional :GROUP."
    )
    labels: dict[str, Text] = Field(default={}, description="Labels of the image.")
    exposed_ports: tuple[str, ...] = Field(
        default=(), description="Ports that the process listens on, such as 80/tcp; published by publishAll."
    )
    volumes: tuple[str, ...] = Field(default=(), description="Paths that get volumes of the container's own.")
    stop_signal: str | None = Field(default=None, description="Signal that asks the process to end.")
    healthcheck: Healthcheck | None = Field(
        default=None, description="How to find out whether a container is well."
    )


class ImageSpec(Model):
    """An image that hold keeps available."""

    source: ImageSource = Field(description="Where the content comes from.")
    config: ImageConfig | None = Field(
        default=None,
        description="Defaults for containers; for `stored` images those of the image itself apply.",
    )


class ImageAssigned(Model):
    """What is desired of an image besides its spec.

    `manifest` is the digest of the manifest that somebody pulled for it, empty while the loop is to pull. `pull` is the
    serial number of the pull asked for; it rises when a container wants the newest.
    """

    manifest: str = ""
    pull: int = 0


class ImageStatus(Status):
    """An image as last observed."""

    id: str = Field(default="", description="Digest of the image's configuration.")
    size_bytes: int = Field(default=0, alias="size", description="Bytes of all layers, unpacked.")
    layers: tuple[str, ...] = Field(default=(), description="Chain ids of the layers, lowest first.")
    config: ImageConfig | None = Field(default=None, description="The defaults in force.")
    digest: str = Field(default="", description="Digest of the image's manifest.")
    created_at: datetime | None = Field(
        default=None, description="When the image was built, as its configuration says."
    )
    architecture: str = Field(default="", description="Processor that its programs are for, such as amd64.")
    os: str = Field(default="", description="System that its programs are for.")
    pull: int = Field(default=0, description="Serial number of the pull that the content came from.")


class Image(Model):
    """An image, its desired and its observed state. Names carry a tag: `shop:1`."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Image"] = Field(default="Image", description="The kind of the object.")
    metadata: Metadata
    spec: ImageSpec
    assigned: ImageAssigned | None = Field(default=None, exclude=True)
    status: ImageStatus = ImageStatus()


def complete_image_name(name: str) -> str:
    """Return the familiar form of a reference with `:latest` where it has neither tag nor digest.

    `docker.io/library/shop` and `shop` are one name. What is no reference is a local name and keeps its spelling.
    """
    try:
        return parse_reference(name).complete().familiar
    except ValueError:
        last = name.rsplit("/", 1)[-1]
        return name if ":" in last or "@" in last else f"{name}:{DEFAULT_TAG}"
