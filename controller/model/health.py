"""Health checks in Docker's words, probes without a program, and what they found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from controller.model.base import Model
from controller.model.units import DurationS, Number, Text

LEAST_INTERVAL_S = 0.001

PortNumber = Annotated[Number, Field(ge=1, le=65535)]
Timing = Annotated[DurationS, Field(ge=0)]


class HttpProbe(Model):
    """A GET request from inside the container's network; healthy when answered with a code from 200 to 399."""

    port: PortNumber = Field(description="Port in the container.")
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] = Field(
        default="/", description="Path and query of the request."
    )
    scheme: Literal["http", "https"] = Field(
        default="http", description="http or https; certificates are not verified."
    )
    headers: dict[Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")], Text] = Field(
        default={}, description="Headers of the request; Host is localhost by default."
    )

    @model_validator(mode="after")
    def _headers_are_lines(self) -> Self:
        for name, value in self.headers.items():
            if any(ord(character) < 0x20 or ord(character) > 0xFF for character in value):
                raise ValueError(f"header {name} has a character that no header can carry")
        return self


class TcpProbe(Model):
    """A connection from inside the container's network; healthy when it is accepted."""

    port: PortNumber = Field(description="Port in the container.")


class GrpcProbe(Model):
    """A call of grpc.health.v1.Health/Check without encryption; healthy when the answer is SERVING."""

    port: PortNumber = Field(description="Port in the container.")
    service: Text = Field(default="", description="Service to ask for; the whole server by default.")


def _list_test(value: object) -> object:
    """Accept Compose's text form, which a shell reads."""
    return ("CMD-SHELL", value) if isinstance(value, str) else value


class Healthcheck(Model):
    """How to find out whether a running container is well: a program in it, or a request to it."""

    test: Annotated[tuple[Text, ...], BeforeValidator(_list_test)] = Field(
        default=(),
        description="[CMD, program, arguments...], [CMD-SHELL, text] or a text alone; [NONE] switches an image's"
        " check off. The image's by default.",
    )
    http: HttpProbe | None = Field(default=None, description="Ask by HTTP, instead of test.")
    tcp: TcpProbe | None = Field(default=None, description="Connect by TCP, instead of test.")
    grpc: GrpcProbe | None = Field(default=None, description="Ask gRPC's health service, instead of test.")
    interval_s: Timing = Field(
        default=0.0, alias="interval", description="Time between two checks; 0 is the image's, or 30s."
    )
    timeout_s: Timing = Field(
        default=0.0, alias="timeout", description="Most time for one check; 0 is the image's, or 30s."
    )
    start_period_s: Timing = Field(
        default=0.0,
        alias="startPeriod",
        description="Time after the start in which failures do not count; 0 is the image's, or none.",
    )
    start_interval_s: Timing = Field(
        default=0.0,
        alias="startInterval",
        description="Time between two checks while starting, within startPeriod; 0 is the image's, or 5s.",
    )
    retries: Number = Field(
        default=0,
        ge=0,
        description="Failures in a row that make the container unhealthy; 0 is the image's, or 3.",
    )
    restart: bool = Field(
        default=False, description="Whether an unhealthy container is restarted, whatever its restart policy."
    )

    @model_validator(mode="after")
    def _check_is_whole(self) -> Self:
        given = [name for name in ("test", "http", "tcp", "grpc") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given: choose one way to check")
        for name in ("interval", "timeout", "start_interval"):
            if 0 < getattr(self, f"{name}_s") < LEAST_INTERVAL_S:
                raise ValueError(f"{name.replace('_i', 'I')} is less than 1ms")
        if self.test:
            _refuse_bad_test(self.test)
        return self


def _refuse_bad_test(test: tuple[str, ...]) -> None:
    kind, *words = test
    if any("\0" in word for word in words):
        raise ValueError("test has a NUL byte, which no argument can have")
    match kind:
        case "NONE" if words:
            raise ValueError("test: NONE takes no arguments")
        case "CMD" if not words:
            raise ValueError("test: CMD needs a program")
        case "CMD-SHELL" if len(words) != 1:
            raise ValueError("test: CMD-SHELL needs one text, which the shell reads")
        case "NONE" | "CMD" | "CMD-SHELL":
            return
        case _:
            raise ValueError(f"test begins with {kind!r}: write CMD, CMD-SHELL or NONE first, or one text")


class HealthState(StrEnum):
    """What checks say of a container."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class ProbeResult(Model):
    """One check."""

    started_at: datetime = Field(description="When the check began.")
    finished_at: datetime = Field(description="When it ended.")
    exit_code: int = Field(
        description="0 when it passed; -1 when it took too long, or nothing answered; else the program's."
    )
    output: str = Field(default="", description="What it printed, or why it failed; 4096 bytes at most.")


class Health(Model):
    """What the checks of the present or last run have found."""

    state: HealthState = Field(default=HealthState.STARTING, description="starting, healthy or unhealthy.")
    failing_streak: int = Field(default=0, description="How many checks in a row have failed.")
    healthy_at: datetime | None = Field(default=None, description="When this run was first found healthy.")
    log: tuple[ProbeResult, ...] = Field(
        default=(), description="The last five checks, oldest first; repetitions are written now and then."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """A program to run in the container; healthy when it ends with 0."""

    arguments: tuple[str, ...]


Probe = ExecProbe | HttpProbe | TcpProbe | GrpcProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """How a check ended: see `ProbeResult`."""

    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """What checks found of the run that began at `started_at`, by `probe`."""

    started_at: datetime
    probe: Probe
    health: Health
