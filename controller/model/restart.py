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


def parse_restart(value: object) -> object:
    """Return the long form of `always` or `on-failure:3`; ValueError says what is wrong."""
    if value is False:  # YAML 1.1 reads a bare `no` as false
        return {"name": "no"}
    if not isinstance(value, str):
        return value
    name, colon, count = value.partition(":")
    if not colon:
        return {"name": name}
    if name != "on-failure":
        raise ValueError(f"{value!r}: only on-failure takes a number of retries")
    if not count.isdigit():
        raise ValueError(f"{value!r}: {count!r} is not a number of retries")
    return {"name": name, "max_retries": int(count)}
