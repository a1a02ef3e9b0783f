"""The host as a whole: what admission must know, hints, diagnosis, forecasts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.model.changes import Decision
from controller.model.facts import (
    HostFacts,
)
from controller.model.host import Check, HostDescription
from controller.model.ids import Key, Uid


class HostView(Protocol):
    """What admission must know of the host."""

    async def read(self, *, networks: bool) -> HostFacts:
        """Return listeners that are not ours, and for `networks` also routes and links that are not ours."""
        ...


class HintType(StrEnum):
    """What an event of the kernel was about."""

    PROCESS = "process"
    ATTACHMENT = "attachment"
    BRIDGE = "bridge"
    LINK = "link"
    PLUGIN = "plugin"
    ROOT = "root"
    LIMITS = "limits"
    FIREWALL = "firewall"
    NAMES = "names"
    IMAGE = "image"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something may have changed. `subject` is an object's uid, empty when all of the type may be meant.

    That of a `LINK` is the name of a link which is not a container's, that of a `PLUGIN` a driver.
    """

    type: HintType
    subject: str = ""


class KernelEvents(Protocol):
    """Wake-ups from the kernel; any may be lost, none says what happened."""

    def watch(self) -> AsyncIterator[Hint]:
        """Yield hints for ever."""
        ...

    def expect(self, uid: Uid) -> None:
        """Watch a container's process, namespace and cgroups from now on; again after each creation."""
        ...

    def disregard(self, uid: Uid) -> None:
        """Stop watching a container."""
        ...


class Diagnostics(Protocol):
    """What `hold info`, `hold version` and `hold doctor` tell of the host."""

    async def describe(self) -> HostDescription:
        """Return facts about the host and the daemon."""
        ...

    async def diagnose(self) -> tuple[Check, ...]:
        """Check kernel features, tools and directories, and tell how to get what is missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """A watched directory of manifests: `error` is empty when its last content is applied."""

    name: str
    path: str
    error: str
    objects: int
    applied_at: datetime | None


class Sources(Protocol):
    """The watched directories of manifests."""

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return every source, in order of name; empty when no directory is watched."""
        ...


class Forecaster(Protocol):
    """Tells what the loops would do."""

    async def forecast(self, decision: Decision) -> tuple[tuple[Key | None, tuple[str, ...]], ...]:
        """Return, for each object that `decision` touches, the kernel actions in order; None is the host as a whole."""
        ...
