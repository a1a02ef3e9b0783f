"""Devices of the host that a container gets."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from controller.model.base import Model
from controller.model.device_forms import parse_device

_RULE = re.compile(r"(?P<type>[abc]) (?P<major>\d+|\*):(?P<minor>\d+|\*) (?P<access>[rwm]{1,3})")


class Device(Model):
    """A device node of the host, or a directory of them, in the container."""

    source: str = Field(
        pattern=r"^/", description="Absolute path of the host; a directory gives all devices below it."
    )
    target: str = Field(default="", description="Absolute path in the container; the same by default.")
    permissions: str = Field(
        default="rwm", pattern=r"^[rwm]{1,3}$", description="r: read, w: write, m: make a node."
    )

    @model_validator(mode="after")
    def _paths_are_absolute(self) -> Self:
        if self.target and not self.target.startswith("/"):
            raise ValueError(f"target {self.target!r} must be an absolute path")
        if ".." in (*self.source.split("/"), *self.target.split("/")):
            raise ValueError(f"the device {self.source} has '..' in a path")
        if len(set(self.permissions)) != len(self.permissions):
            raise ValueError(f"permissions {self.permissions!r} names one twice")
        return self


def check_device_rule(text: str) -> str:
    """Return a rule such as `c 1:3 rwm` as it is; ValueError when the kernel would not understand it."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a device rule: write TYPE MAJOR:MINOR ACCESS, such as c 1:3 rwm or b *:* r"
        )
    if len(set(match["access"])) != len(match["access"]):
        raise ValueError(f"{text!r} names an access twice")
    return text


def split_device_rule(text: str) -> dict[str, str]:
    """Return type, major, minor and access of a rule that was checked."""
    match = _RULE.fullmatch(text)
    return match.groupdict() if match is not None else {}


Devices = Annotated[
    tuple[Annotated[Device, BeforeValidator(parse_device)], ...],
    Field(description="Devices of the host; Docker's SOURCE[:TARGET][:rwm] is accepted."),
]
DeviceCgroupRules = Annotated[
    tuple[Annotated[str, AfterValidator(check_device_rule)], ...],
    Field(description="Devices that may be used once a node is there, such as c 1:3 rwm."),
]
