"""Where a container's output is kept, how much of it, and what it is marked with."""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from controller.model.base import Model
from controller.model.log_forms import DRIVER_OPTIONS, TAG_WORD, TAG_WORDS
from controller.model.units import Number, SizeBytes, Text

LEAST_LOG_BYTES = 4096
_LEAST_FILES_TO_COMPRESS = 2


class LogDriver(StrEnum):
    """What takes the output in. The first two are files, of which `local` is smaller and not for other programs."""

    JSON_FILE = "json-file"
    LOCAL = "local"
    JOURNALD = "journald"
    NONE = "none"


def _read_driver(value: object) -> object:
    """Accept Podman's name of the file."""
    return LogDriver.JSON_FILE if value == "k8s-file" else value


def _check_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error
    return text


def _check_tag(text: str) -> str:
    unknown = [word for word in TAG_WORD.findall(text) if word not in TAG_WORDS]
    if unknown or "{{" in TAG_WORD.sub("", text):
        known = ", ".join(f"{{{{.{word}}}}}" for word in TAG_WORDS)
        raise ValueError(f"{text!r} has an unknown word in braces: known are {known}")
    return text


Driver = Annotated[LogDriver, BeforeValidator(_read_driver)]
_Pattern = Annotated[str, AfterValidator(_check_pattern)]


class LogSettings(Model):
    """What becomes of a container's output; the daemon's own settings hold where it says nothing."""

    driver: Driver | None = Field(
        default=None, description="What takes the output in; the daemon's logDriver by default."
    )
    max_size_bytes: Annotated[SizeBytes, Field(ge=LEAST_LOG_BYTES)] | None = Field(
        default=None,
        alias="maxSize",
        description="Size at which the log goes on in a new file, such as 10m; at least 4 KiB.",
    )
    max_files: Annotated[Number, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="Files that are kept, the present one included; with 1 the log starts afresh when it is full.",
    )
    compress: bool | None = Field(
        default=None, description="Whether earlier files are compressed; those of `local` are by default."
    )
    tag: Annotated[Text, AfterValidator(_check_tag)] | None = Field(
        default=None, description="Mark of each entry, such as {{.Name}}; {{.ID}} by default in the journal."
    )
    labels: tuple[Text, ...] = Field(
        default=(), description="Labels that `hold logs --details` shows, and entries of the journal carry."
    )
    labels_regex: _Pattern | None = Field(default=None, description="The same, for labels that match.")
    environment: tuple[Text, ...] = Field(
        default=(),
        description="Variables that `hold logs --details` shows, and entries of the journal carry.",
    )
    environment_regex: _Pattern | None = Field(
        default=None, description="The same, for variables that match."
    )
    mode: Literal["blocking", "non-blocking"] | None = Field(
        default=None,
        description="With non-blocking, the process never waits: output that is taken in too slowly is dropped.",
    )
    max_buffer_bytes: Annotated[SizeBytes, Field(ge=LEAST_LOG_BYTES, le=1 << 30)] | None = Field(
        default=None,
        alias="maxBufferSize",
        description="How much may wait before it is dropped; 1 MiB by default.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.driver is not None:
            for complaint in list_misfits(self, self.driver):
                raise ValueError(complaint)
        if self.max_buffer_bytes is not None and self.mode != "non-blocking":
            raise ValueError("maxBufferSize is for mode: non-blocking")
        if self.compress and self.max_files is not None and self.max_files < _LEAST_FILES_TO_COMPRESS:
            raise ValueError("compress needs maxFiles of at least 2: the present file is never compressed")
        return self


def list_misfits(settings: LogSettings, driver: LogDriver) -> list[str]:
    """Return what a driver can't do of what is asked for; nothing is left undone by `none`."""
    known = DRIVER_OPTIONS[driver]
    given = settings.model_dump(exclude_defaults=True, exclude={"driver"}, by_alias=True)
    return [
        f"{name} is nothing that {driver} knows: it knows {', '.join(sorted(known))}"
        for name in given
        if driver is not LogDriver.NONE and name not in known
    ]
