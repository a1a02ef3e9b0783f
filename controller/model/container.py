"""The Container kind."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from controller.model.attachments import (
    AssignedAttachment,
    Attachment,
    AttachmentStatus,
    list_attachment_conflicts,
)
from controller.model.base import Model
from controller.model.devices import DeviceCgroupRules, Devices
from controller.model.health import Health, Healthcheck
from controller.model.ids import ObjectName
from controller.model.isolation import list_isolation_conflicts
from controller.model.logs import LogSettings
from controller.model.mount_forms import parse_mount
from controller.model.mounts import Mount, MountType
from controller.model.naming import (
    Dns,
    DnsOptions,
    DnsSearch,
    ExtraHosts,
    GroupAdd,
    IpcMode,
    Links,
    NetworkMode,
    PidMode,
    UserNamespace,
    VolumesFrom,
)
from controller.model.ports import Expose, PortMapping
from controller.model.resource import API_VERSION, ApiVersion, Metadata, Status
from controller.model.resources import Resources, Ulimits
from controller.model.restart import RestartPolicy
from controller.model.security import CapAdd, CapDrop, Privileged, SecurityOpt, SecurityOptions, Sysctls
from controller.model.short_forms import expand_ports, parse_restart
from controller.model.units import DurationS, Number, SignalName, SizeBytes, Text


class DependencyCondition(StrEnum):
    """What must be true of another container before this one starts."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class Dependency(Model):
    """A container that has to come first."""

    condition: DependencyCondition = Field(
        default=DependencyCondition.STARTED,
        description="started: it runs; healthy: its health check passes; completed: it ended with exit code 0.",
    )


class PullPolicy(StrEnum):
    """When a container's image is fetched from its registry."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


class DesiredState(StrEnum):
    """What the user last asked for with start, stop, pause."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"


def _dict_environment(value: object) -> object:
    """Accept Docker's and Compose's list form `[A=1, B=2]`."""
    if not isinstance(value, list | tuple):
        return value
    pairs = {}
    for item in value:
        if not isinstance(item, str) or "=" not in item:
            raise ValueError(f"{item!r} is not of the form NAME=VALUE")
        name, _, text = item.partition("=")
        pairs[name] = text
    return pairs


def _dict_dependencies(value: object) -> object:
    """Accept Compose's list form `[db, cache]`."""
    if isinstance(value, list | tuple):
        return {name: {} for name in value}
    return value


def _split_command(value: object) -> object:
    """Accept one bare string as a command of one word, as Docker's JSON form does not split it either."""
    return (value,) if isinstance(value, str) else value


Command = Annotated[tuple[Text, ...], BeforeValidator(_split_command)]


class ContainerSpec(Model):
    """A process with a root file system, networks and limits of its own."""

    image: str | None = Field(
        default=None, description="Image to run, such as shop:1. Either image or rootfs."
    )
    rootfs: str | None = Field(
        default=None,
        pattern=r"^/",
        description="Host directory to run instead of an image; never written to (copy on write).",
    )
    entrypoint: Command | None = Field(
        default=None, description="Program that replaces the image's entrypoint."
    )
    command: Command | None = Field(default=None, description="Arguments that replace the image's command.")
    environment: Annotated[dict[str, Text], BeforeValidator(_dict_environment)] = Field(
        default={}, description="Variables of the process; NAME: VALUE or a list of NAME=VALUE."
    )
    working_dir: str | None = Field(
        default=None, pattern=r"^/", description="Working directory of the process."
    )
    user: Text | None = Field(
        default=None, description="User and group: NAME or UID, with an optional :GROUP or :GID."
    )
    hostname: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62})$",
        description="Host name; the short uid by default.",
    )
    mounts: tuple[Annotated[Mount, BeforeValidator(parse_mount)], ...] = Field(
        default=(),
        description="Volumes, host directories and tmpfs; Docker's SOURCE:TARGET[:ro] is accepted.",
    )
    networks: tuple[Attachment, ...] = Field(
        default=(),
        description="Networks to join; the first gives the default route. The default network when empty.",
    )
    network_mode: NetworkMode = None
    ports: Annotated[tuple[PortMapping, ...], BeforeValidator(expand_ports)] = Field(
        default=(),
        description="Published ports; Docker's [IP:][HOST:]CONTAINER[/PROTOCOL] is accepted, also ranges.",
    )
    resources: Resources = Field(default=Resources(), description="Limits.")
    ulimits: Ulimits = Field(
        default={}, description="Limits of setrlimit(2) by name, such as nofile: 1024 or nofile: 1024:4096."
    )
    oom_score_adj: Annotated[Number, Field(ge=-1000, le=1000)] | None = Field(
        default=None,
        description="How readily the kernel kills the process when memory runs out: -1000 never, 1000 first.",
    )
    restart: Annotated[RestartPolicy, BeforeValidator(parse_restart)] = Field(
        default=RestartPolicy(), description="no, always, unless-stopped, on-failure or on-failure:N."
    )
    healthcheck: Healthcheck | None = Field(
        default=None,
        description="How to find out whether the container is well; the image's check by default.",
    )
    depends_on: Annotated[dict[ObjectName, Dependency], BeforeValidator(_dict_dependencies)] = Field(
        default={}, description="Containers that must come first, each with a condition."
    )
    desired: DesiredState = Field(default=DesiredState.RUNNING, description="running, stopped or paused.")
    run: Number = Field(
        default=0,
        ge=0,
        description="Serial number of the run asked for; start and restart raise it to ask for a new run.",
    )
    stop_signal: SignalName | None = Field(
        default=None, description="Signal that asks the process to end; SIGTERM."
    )
    stop_grace_period_s: DurationS = Field(
        default=10.0,
        ge=0,
        alias="stopGracePeriod",
        description="Time from the stop signal to SIGKILL, such as 10s.",
    )
    tty: bool = Field(default=False, description="Whether the process gets a terminal.")
    stdin_open: bool = Field(
        default=False, description="Whether standard input stays open for attached clients."
    )
    read_only: bool = Field(default=False, description="Whether the root file system is read-only.")
    auto_remove: bool = Field(
        default=False, description="Whether the container is deleted when its process has ended."
    )
    runtime: str | None = Field(default=None, description="OCI runtime: crun, runc or an absolute path.")
    pull_policy: PullPolicy = Field(
        default=PullPolicy.MISSING,
        description="When the image comes from its registry: missing (nothing else declares it), always (also the newest for each change of the container), never.",
    )
    cap_add: CapAdd = ()
    cap_drop: CapDrop = ()
    privileged: Privileged = False
    security_opt: SecurityOpt = SecurityOptions()
    sysctls: Sysctls = Field(default={})
    devices: Devices = ()
    device_cgroup_rules: DeviceCgroupRules = ()
    group_add: GroupAdd = ()
    init: bool | None = Field(
        default=None,
        description="Whether an init of hold's own passes on signals and reaps orphans; as the daemon's settings say by default.",
    )
    shm_size_bytes: SizeBytes | None = Field(
        default=None,
        alias="shmSize",
        ge=0,
        description="Most bytes of /dev/shm; 64 MiB by default, or what the settings say.",
    )
    pid: PidMode = None
    ipc: IpcMode = None
    uts: Literal["host"] | None = Field(
        default=None, description="host: the host's name; its own by default."
    )
    cgroup: Literal["host", "private"] = Field(
        default="private",
        description="private: its cgroup looks like the root of all; host: it sees its place.",
    )
    user_namespace: UserNamespace = "host"
    domainname: str | None = Field(
        default=None, pattern=r"^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62})$", description="NIS domain name."
    )
    extra_hosts: ExtraHosts = ()
    dns: Dns = ()
    dns_search: DnsSearch = ()
    dns_opt: DnsOptions = ()
    links: Links = ()
    volumes_from: VolumesFrom = ()
    expose: Expose = ()
    publish_all: bool = Field(
        default=False,
        description="Whether every port of expose, and of the image's, is published on a free host port.",
    )
    logging: LogSettings = Field(default=LogSettings(), description="How much of the log is kept.")

    def list_images(self) -> tuple[str, ...]:
        """Return the names of the images that it runs or mounts."""
        mounted = (mount.source for mount in self.mounts if mount.type is MountType.IMAGE)
        return (*((self.image,) if self.image is not None else ()), *mounted)

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if (self.image is None) == (self.rootfs is None):
            raise ValueError("name either image or rootfs")
        for message in list_isolation_conflicts(self):
            raise ValueError(message)
        if self.network_mode is not None and self.networks:
            raise ValueError(
                f"networks can't be joined with networkMode {self.network_mode}: remove one of the two"
            )
        if self.network_mode is not None and self.ports:
            raise ValueError(
                f"ports can't be published with networkMode {self.network_mode}: remove one of the two"
            )
        for message in list_attachment_conflicts(self.networks):
            raise ValueError(message)
        targets = [mount.target for mount in self.mounts]
        if len(set(targets)) != len(targets):
            raise ValueError("mounts has two mounts with the same target")
        if self.auto_remove and self.restart.name != "no":
            raise ValueError("autoRemove and a restart policy contradict each other: remove one of the two")
        for name in self.environment:
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"environment has {name!r}, which is not a variable name")
        return self


class StopOrder(Model):
    """How somebody wants a process to be asked to end, where it is not as the spec says; for runs up to `run` alone."""

    run: int
    signal: str | None = None
    grace_period_s: float | None = None


class ContainerAssigned(Model):
    """What the store chose for a container: addresses by network name, and ports with every host port known.

    `stop` is what the latest stop or restart asked for.
    """

    networks: dict[str, AssignedAttachment] = Field(default={})
    ports: tuple[PortMapping, ...] = ()
    volumes: dict[str, str] = Field(default={})
    """Volumes that nobody named, by target."""
    id_base: int = 0
    """First number of the host's users and groups that the container's own are mapped to; 0 when they are not."""
    pull: int = 0
    """Serial number of the image's pull that has to be over before a start."""
    stop: StopOrder | None = None


class Phase(StrEnum):
    """Where a container is in its life."""

    PENDING = "Pending"
    CREATING = "Creating"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    EXITED = "Exited"
    FAILED = "Failed"


class ContainerStatus(Status):
    """A container as last observed, and what the next decision needs to know of earlier ones."""

    phase: Phase = Field(default=Phase.PENDING, description="Where the container is in its life.")
    pid: int = Field(default=0, description="Process id in the host's pid namespace; 0 when none runs.")
    started_at: datetime | None = Field(default=None, description="When the present or last process started.")
    finished_at: datetime | None = Field(default=None, description="When the last process ended.")
    exit_code: int | None = Field(
        default=None, description="Exit code of the last process; 128+N after signal N."
    )
    oom_killed: bool = Field(default=False, description="Whether the last process ended for want of memory.")
    restarts: int = Field(default=0, description="How often the restart policy started the process again.")
    backoff_s: float = Field(
        default=0.0, alias="backoff", description="Seconds waited before the latest restart."
    )
    run: int = Field(default=0, description="Serial number of the run last begun.")
    spec_hash: str = Field(
        default="", description="Digest of the spec fields that need a new process to change."
    )
    error: str = Field(default="", description="Why the process can't be started.")
    health: Health | None = Field(
        default=None, description="What health checks have found; absent without a check."
    )
    networks: tuple[AttachmentStatus, ...] = Field(default=(), description="Networks joined.")
    ports: tuple[PortMapping, ...] = Field(default=(), description="Published ports, host ports filled in.")
    volumes: dict[str, str] = Field(
        default={},
        description="Volumes that nobody named, by target: of mounts without a source, and of the image.",
    )


class Container(Model):
    """A container, its desired and its observed state."""

    api_version: ApiVersion = API_VERSION
    kind: Literal["Container"] = Field(default="Container", description="The kind of the object.")
    metadata: Metadata
    spec: ContainerSpec
    assigned: ContainerAssigned | None = Field(default=None, exclude=True)
    status: ContainerStatus = ContainerStatus()
