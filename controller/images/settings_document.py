"""The part of an image's configuration that says how containers are run (OCI image specification, config; Docker's own)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from controller.errors import Invalid
from controller.model.health import Healthcheck
from controller.model.image import ImageConfig

_NANOSECONDS = 1_000_000_000


class _HealthDocument(BaseModel):
    """Docker's addition; times are nanoseconds, 0 means the default."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_pascal)

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class SettingsDocument(BaseModel):
    """Fields as they are spelled in the document; null is the same as absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_pascal)

    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    working_dir: str | None = None
    user: str | None = None
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    stop_signal: str | None = None
    healthcheck: _HealthDocument | None = None


def read_settings(document: SettingsDocument | None) -> ImageConfig:
    """Return the defaults of a document. Invalid."""
    if document is None:
        return ImageConfig()
    try:
        return ImageConfig(
            entrypoint=None if document.entrypoint is None else tuple(document.entrypoint),
            command=None if document.cmd is None else tuple(document.cmd),
            environment={
                name: value for name, _, value in (item.partition("=") for item in document.env or ())
            },
            working_dir=document.working_dir or None,
            user=document.user or None,
            labels=document.labels or {},
            exposed_ports=tuple(document.exposed_ports or ()),
            volumes=tuple(document.volumes or ()),
            stop_signal=document.stop_signal or None,
            healthcheck=_read_health(document.healthcheck),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"an image's configuration can't be used: config.{place}: {first['msg']}") from error


def _read_health(document: _HealthDocument | None) -> Healthcheck | None:
    if document is None or not document.test:
        return None
    return Healthcheck(
        test=tuple(document.test),
        interval_s=document.interval / _NANOSECONDS,
        timeout_s=document.timeout / _NANOSECONDS,
        start_period_s=document.start_period / _NANOSECONDS,
        start_interval_s=document.start_interval / _NANOSECONDS,
        retries=document.retries,
    )


def render_settings(config: ImageConfig) -> dict[str, Any]:
    """Return the document of an image's defaults, without what is not set."""
    settings: dict[str, Any] = {
        "Entrypoint": config.entrypoint,
        "Cmd": config.command,
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "WorkingDir": config.working_dir,
        "User": config.user,
        "Labels": config.labels,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {path: {} for path in config.volumes},
        "StopSignal": config.stop_signal,
        "Healthcheck": _render_health(config.healthcheck),
    }
    return {name: value for name, value in settings.items() if value not in (None, {}, [])}


def _render_health(check: Healthcheck | None) -> dict[str, Any] | None:
    """Return Docker's form; probes without a program are hold's own and have none."""
    if check is None or not check.test:
        return None
    settings = {
        "Test": list(check.test),
        "Interval": round(check.interval_s * _NANOSECONDS),
        "Timeout": round(check.timeout_s * _NANOSECONDS),
        "StartPeriod": round(check.start_period_s * _NANOSECONDS),
        "StartInterval": round(check.start_interval_s * _NANOSECONDS),
        "Retries": check.retries,
    }
    return {name: value for name, value in settings.items() if value}
