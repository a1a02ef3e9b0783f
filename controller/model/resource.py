"""The envelope around every object: Kubernetes' apiVersion, kind, metadata, spec, status."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from controller.model.base import Model
from controller.model.ids import KindName, UidText
from controller.model.units import Text

ApiVersion = Annotated[Literal["hold/v1"], Field(description="Version of the format.")]
API_VERSION: Literal["hold/v1"] = "hold/v1"


class OwnerReference(Model):
    """The parent of an object that another object brought into being; garbage follows the owner."""

    kind: KindName = Field(description="The owner's kind.")
    name: str = Field(description="The owner's name.")
    uid: UidText = Field(description="The owner's identity for life.")


class Metadata(Model):
    """Identity and bookkeeping of an object.

    People write `name`, `labels` and `annotations`; the store sets the rest and ignores what a writer sends
    for it, except `uid` and `revision`, which, when given, must be those of the stored object.
    """

    name: str = Field(description="Name, unique within the kind.")
    labels: dict[str, Text] = Field(default={}, description="Words to select by.")
    annotations: dict[str, Text] = Field(
        default={}, description="Notes for people and tools; hold does not read them."
    )
    uid: UidText | None = Field(default=None, description="Identity for life; set by hold.")
    generation: int = Field(default=0, description="Rises with each change of the spec; set by hold.")
    revision: int = Field(default=0, description="Revision of the last write; set by hold.")
    created_at: datetime | None = Field(default=None, description="When the object was made; set by hold.")
    deleted_at: datetime | None = Field(
        default=None,
        description="When deletion was asked for; the object goes once its kernel objects are gone.",
    )
    manager: str = Field(
        default="", description="Who declares the object: cli, a manifest source; set by hold."
    )
    owner: OwnerReference | None = Field(default=None, description="Object that brought this one into being.")


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of how far the kernel is what the spec says."""

    type: str = Field(description="The aspect, such as Ready.")
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(default="", description="Why, as one CamelCase word for programs.")
    message: str = Field(default="", description="Why, as a sentence for people.")
    last_transition_at: datetime | None = Field(
        default=None, description="When the condition's status last changed."
    )


ConditionType = Literal[
    "Ready", "ImageAvailable", "NetworksAvailable", "VolumesAvailable", "DependenciesMet",
    "NetworksAttached", "PortsPublished", "Available", "Refreshed", "NamesServed", "Stopping",
    "LimitsEnforced", "Healthy", "Monitored",
]  # fmt: skip


class Status(Model):
    """What hold last observed, common to all kinds."""

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status speaks of."
    )
    conditions: tuple[Condition, ...] = Field(default=(), description="How far the object is as declared.")


def find_condition(status: Status, kind: str) -> Condition | None:
    """Return the condition of the given type, or None."""
    return next((condition for condition in status.conditions if condition.type == kind), None)


def is_ready(status: Status) -> bool:
    """Tell whether the Ready condition holds."""
    condition = find_condition(status, "Ready")
    return condition is not None and condition.status is ConditionStatus.TRUE
