"""Mounts of a container: the long form."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from controller.model.base import Model
from controller.model.ids import check_name
from controller.model.mount_forms import check_tmpfs_option
from controller.model.units import Number, SizeBytes, Text
from controller.model.volume_options import check_local_options


class MountType(StrEnum):
    """Where the mounted files come from."""

    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"
    IMAGE = "image"


def check_target(text: str) -> str:
    """Return where a mount goes in the container, in the one way to write it; ValueError when it can't go there."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not text.startswith("/"):
        raise ValueError(f"target {text!r} must be an absolute path of the container")
    if ".." in parts or not parts:
        raise ValueError(f"target {text!r} must be a path below / without '..'")
    return f"/{'/'.join(parts)}"


Propagation = Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"]

_OF_TYPE: dict[str, tuple[MountType, ...]] = {
    "create_host_path": (MountType.BIND,),
    "propagation": (MountType.BIND,),
    "recursive": (MountType.BIND,),
    "relabel": (MountType.BIND,),
    "nocopy": (MountType.VOLUME,),
    "subpath": (MountType.VOLUME, MountType.IMAGE),
    "driver": (MountType.VOLUME,),
    "driver_options": (MountType.VOLUME,),
    "labels": (MountType.VOLUME,),
    "size_bytes": (MountType.TMPFS,),
    "mode": (MountType.TMPFS,),
    "options": (MountType.TMPFS,),
}
"""Fields that not every type of mount has."""


class Mount(Model):
    """Files from elsewhere at a path of the container."""

    type: MountType = Field(description="volume, bind, tmpfs or image.")
    source: str = Field(
        default="",
        description="Name of a volume or image, or absolute host path; a new volume when empty; nothing for tmpfs.",
    )
    target: Annotated[str, AfterValidator(check_target)] = Field(
        description="Absolute path in the container."
    )
    read_only: bool = Field(
        default=False, description="Whether the container can only read it; an image always."
    )
    create_host_path: bool = Field(
        default=False,
        description="Whether a missing host directory is made (what Docker's -v does), for bind.",
    )
    size_bytes: SizeBytes | None = Field(
        default=None, alias="size", ge=0, description="Most bytes of a tmpfs."
    )
    mode: Number = Field(default=0o1777, ge=0, le=0o7777, description="Permissions of a tmpfs; 1777 (octal).")
    propagation: Propagation = Field(
        default="rprivate",
        description="Whether later mounts below it spread: private, shared or slave, with r for all below; for bind.",
    )
    recursive: Literal["enabled", "disabled", "writable", "readonly"] = Field(
        default="enabled",
        description="What of mounts below the source: enabled (there, read-only with readOnly where the kernel can), "
        "disabled (not there), writable (there, never read-only), readonly (read-only or an error); for bind.",
    )
    relabel: Literal["", "shared", "private"] = Field(
        default="", description="SELinux label of the source: shared (Docker's z) or private (Z); for bind."
    )
    nocopy: bool = Field(
        default=False, description="Whether an empty volume is left empty instead of filled from the image."
    )
    subpath: str = Field(
        default="", description="Directory or file in the volume or image to mount instead of all of it."
    )
    options: tuple[Annotated[str, AfterValidator(check_tmpfs_option)], ...] = Field(
        default=(), description="Further options of a tmpfs, such as exec, uid=1000 or nr_inodes=1k."
    )
    driver: str = Field(
        default="",
        description="Driver of the volume that is made for the mount when it isn't there: local, or a plugin.",
    )
    driver_options: dict[str, Text] = Field(
        default={}, description="Its driver options, as of a Volume; for one that nobody declared."
    )
    labels: dict[str, Text] = Field(default={}, description="Its labels.")

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        self._check_source()
        for name, kinds in _OF_TYPE.items():
            field = type(self).model_fields[name]
            if self.type not in kinds and getattr(self, name) != field.default:
                raise ValueError(f"{field.alias or name} is for {' or '.join(kinds)} only")
        if self.subpath.startswith("/") or ".." in self.subpath.split("/"):
            raise ValueError(f"subpath {self.subpath!r} must be a path inside the {self.type} without '..'")
        if self.driver:
            check_name(self.driver)
        if self.driver in ("", "local"):
            check_local_options(self.driver_options)
        if self.recursive == "readonly" and not self.read_only:
            raise ValueError("recursive readonly needs readOnly")
        if self.recursive == "readonly" and self.propagation != "rprivate":
            raise ValueError(
                "recursive readonly needs propagation rprivate: what comes later would be writable"
            )
        if self.recursive == "writable" and not self.read_only:
            raise ValueError("recursive writable is only for a mount with readOnly")
        return self

    def _check_source(self) -> None:
        if self.type is MountType.TMPFS and self.source:
            raise ValueError("a tmpfs has no source")
        if self.type is MountType.VOLUME and "/" in self.source:
            raise ValueError(
                f"{self.source!r} is neither the name of a volume nor an absolute path: "
                "begin with / for a directory of the host"
            )
        if self.type is MountType.VOLUME and self.source:
            check_name(self.source)
        if self.type is MountType.IMAGE and not self.source:
            raise ValueError("a mount of an image needs the image's name as source")
        if self.type is MountType.BIND and (
            not self.source.startswith("/") or ".." in self.source.split("/")
        ):
            raise ValueError(f"source {self.source!r} of a bind mount must be an absolute path without '..'")
