"""A container's log settings in the fields of Docker's LogConfig."""

from collections.abc import Mapping
from typing import Any

from controller.model.log_forms import LOG_OPTIONS

_UNITS = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))


def view_log(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return LogConfig, with the options that were given as Docker spells them."""
    config = {
        option: _spell(option, settings[field])
        for option, field in LOG_OPTIONS.items()
        if settings.get(field)
    }
    return {"Type": settings.get("driver", "json-file"), "Config": config}


def _spell(option: str, value: Any) -> str:  # noqa: ANN401 - a field of any type
    if option.endswith("-size"):
        return next((f"{value // size}{unit}" for unit, size in _UNITS if value % size == 0), str(value))
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
