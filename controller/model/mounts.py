"""Mounts of a container: the long form."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from controller.model.base import Model
from controller.model.ids import check_name
from controller.model.units import Number, SizeBytes


class MountType(StrEnum):
    """Where the mounted files come from."""

    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"


class Mount(Model):
    """Files from elsewhere at a path of the container."""

    type: MountType = Field(description="volume, bind or tmpfs.")
    source: str = Field(default="", description="Volume's name, or absolute host path; nothing for tmpfs.")
    target: str = Field(pattern=r"^/", description="Absolute path in the container.")
    read_only: bool = Field(default=False, description="Whether the container can only read it.")
    create_host_path: bool = Field(
        default=False,
        description="Whether a missing host directory is made (what Docker's -v does), for bind.",
    )
    size_bytes: SizeBytes | None = Field(
        default=None, alias="size", ge=0, description="Most bytes of a tmpfs."
    )
    mode: Number = Field(default=0o1777, ge=0, le=0o7777, description="Permissions of a tmpfs; 1777 (octal).")

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if ".." in self.target.split("/") or self.target.rstrip("/") == "":
            raise ValueError(f"target {self.target!r} must be a path below / without '..'")
        if self.type is MountType.TMPFS and self.source:
            raise ValueError("a tmpfs has no source")
        if self.type is MountType.VOLUME:
            if not self.source:
                raise ValueError("a volume mount needs the volume's name as source")
            check_name(self.source)
        if self.type is MountType.BIND and (
            not self.source.startswith("/") or ".." in self.source.split("/")
        ):
            raise ValueError(f"source {self.source!r} of a bind mount must be an absolute path without '..'")
        if self.type is not MountType.TMPFS and self.size_bytes is not None:
            raise ValueError("size is for tmpfs only")
        return self
