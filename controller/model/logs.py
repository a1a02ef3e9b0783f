"""How much of what a container writes is kept."""

from typing import Annotated

from pydantic import Field

from controller.model.base import Model
from controller.model.units import Number, SizeBytes

LEAST_LOG_BYTES = 4096


class LogSettings(Model):
    """Limits of a container's log; the daemon's own where they are not given."""

    max_size_bytes: Annotated[SizeBytes, Field(ge=LEAST_LOG_BYTES)] | None = Field(
        default=None,
        alias="maxSize",
        description="Size at which the log goes on in a new file, such as 10m; at least 4 KiB.",
    )
    max_files: Annotated[Number, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="Files that are kept, the present one included; with 1 the log starts afresh when it is full.",
    )
