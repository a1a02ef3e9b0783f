"""Restart policies in Docker's words."""

from typing import Literal

from pydantic import Field

from controller.model.base import Model
from controller.model.units import Number


class RestartPolicy(Model):
    """When a process that has ended is started again."""

    name: Literal["no", "always", "unless-stopped", "on-failure"] = Field(
        default="no", description="The policy."
    )
    max_retries: Number = Field(
        default=0, ge=0, description="Most restarts in a row with on-failure; 0 is without an end."
    )
