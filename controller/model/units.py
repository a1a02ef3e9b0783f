"""Quantities as people write them: sizes, durations, shares of processors."""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from controller.model.quantities import parse_duration_s, parse_size_bytes
from controller.model.signals import parse_signal


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not a boolean")
    return value


SizeBytes = Annotated[int, BeforeValidator(parse_size_bytes)]
"""Bytes; accepts Docker's size texts, stored and printed as a number."""

DurationS = Annotated[float, BeforeValidator(parse_duration_s)]
"""Seconds; accepts Go's duration texts, stored and printed as a number."""

Number = Annotated[int, BeforeValidator(_refuse_boolean)]
"""An integer that is not written as a boolean."""

Text = Annotated[
    str,
    BeforeValidator(
        lambda value: str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    ),
    PlainSerializer(lambda value: value),
]
"""A string for which YAML's bare numbers are accepted too (environment values, labels)."""

SignalName = Annotated[str, BeforeValidator(parse_signal)]
"""The full name of a signal; accepts short names and numbers."""
