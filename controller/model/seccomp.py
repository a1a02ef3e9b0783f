"""A filter of system calls as Docker and the OCI runtime specification write it in JSON."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from controller.model.base import Model
from controller.model.units import Number

Action = Literal[
    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
]  # fmt: skip
Operator = Literal[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]
_ARCHITECTURE = re.compile(r"SCMP_ARCH_[A-Z0-9_]+")
_KERNEL = re.compile(r"\d+\.\d+")


def _check_architecture(text: str) -> str:
    if not _ARCHITECTURE.fullmatch(text):
        raise ValueError(f"{text!r} is not an architecture such as SCMP_ARCH_X86_64")
    return text


def _check_kernel(text: str) -> str:
    if text and not _KERNEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a kernel version such as 4.8")
    return text


Architecture = Annotated[str, AfterValidator(_check_architecture)]


class SeccompArgument(Model):
    """A condition on one argument of a system call."""

    index: Number = Field(ge=0, le=5, description="Which argument, from 0.")
    value: Number = Field(ge=0, lt=2**64, description="What it is compared with; for MASKED_EQ the mask.")
    value_two: Number = Field(default=0, ge=0, lt=2**64, description="For MASKED_EQ what is compared with.")
    op: Operator = Field(description="How it is compared, such as SCMP_CMP_EQ.")


class SeccompFilter(Model):
    """When a rule of Docker's format counts."""

    caps: tuple[str, ...] = Field(default=(), description="Capabilities that the container has.")
    arches: tuple[str, ...] = Field(default=(), description="Machines, as Go names them: amd64, arm64.")
    min_kernel: Annotated[str, AfterValidator(_check_kernel)] = Field(
        default="", description="Least version of the host's kernel."
    )


class SeccompRule(Model):
    """What happens to some system calls."""

    names: tuple[str, ...] = Field(default=(), description="System calls.")
    name: str = Field(default="", description="One system call; for names alone.")
    action: Action = Field(description="What is done, such as SCMP_ACT_ALLOW.")
    errno_ret: Number | None = Field(
        default=None, ge=0, le=4095, description="Error number of SCMP_ACT_ERRNO."
    )
    errno: str = Field(default="", description="Name of the error, for readers alone.")
    args: tuple[SeccompArgument, ...] = Field(default=(), description="Conditions, which must all hold.")
    comment: str = Field(default="", description="For readers alone.")
    includes: SeccompFilter = Field(
        default=SeccompFilter(), description="All must hold for the rule to count."
    )
    excludes: SeccompFilter = Field(
        default=SeccompFilter(), description="None may hold for the rule to count."
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, value: object) -> object:
        """Take null for absent: Docker's own profile has `args: null`."""
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if item is not None}

    @model_validator(mode="after")
    def _names_a_call(self) -> Self:
        if bool(self.names) == bool(self.name):
            raise ValueError("a rule has either names or name")
        return self


class SeccompArchitectures(Model):
    """An architecture and those that run on it too."""

    architecture: Architecture = Field(description="The machine's own, such as SCMP_ARCH_X86_64.")
    sub_architectures: tuple[Architecture, ...] = Field(default=(), description="Further ones it runs.")


class SeccompProfile(Model):
    """A filter of system calls."""

    default_action: Action = Field(description="What is done with calls that no rule names.")
    default_errno_ret: Number | None = Field(
        default=None, ge=0, le=4095, description="Error number of the default action."
    )
    default_errno: str = Field(default="", description="Name of the error, for readers alone.")
    architectures: tuple[Architecture, ...] = Field(default=(), description="Architectures filtered.")
    arch_map: tuple[SeccompArchitectures, ...] = Field(default=(), description="The same in Docker's form.")
    flags: tuple[str, ...] = Field(default=(), description="Flags of seccomp(2).")
    syscalls: tuple[SeccompRule, ...] = Field(default=(), description="Rules.")

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.architectures and self.arch_map:
            raise ValueError("architectures and archMap contradict each other: remove one of the two")
        return self
