"""What loops and API need from the outside, as contracts.

Unless a method says otherwise: it may be called again after success or after any failure and comes to the same end
(`ensure_`, `delete`); different uids may be used at the same time, calls for one uid come one after another; deleting
what is missing succeeds; facts of others' objects are never returned, and others' objects never changed.
Adapters raise only errors of `controller.errors`. Nothing blocks the event loop.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.model.changes import Change, Decision, Event, EventType, Outcome, Snapshot
from controller.model.facts import (
    AccountFiles,
    AttachmentFacts,
    BridgeFacts,
    FirewallFacts,
    HostFacts,
    ImageFacts,
    LimitFacts,
    NamesFacts,
    NamespaceFacts,
    ProcessFacts,
    RootFacts,
)
from controller.model.host import Check, HostDescription
from controller.model.ids import Key, Revision, Uid
from controller.model.image import ImageConfig
from controller.model.kinds import AnyStatus, Resource
from controller.model.wants import (
    AttachmentWant,
    BridgeWant,
    FirewallWant,
    LimitsWant,
    NamesWant,
    ProcessWant,
    RootWant,
)


class Clock(Protocol):
    """The time of day. Waiting is asyncio's own, so that tests can run it in virtual time."""

    def now(self) -> datetime:
        """Return the present time, with time zone UTC."""
        ...


# --- desired state -------------------------------------------------------------------------------------------------


class DesiredState(Protocol):
    """The store as the loops see it. Reads come from memory and never wait."""

    def snapshot(self) -> Snapshot:
        """Return every object at the present revision, deleted-but-not-gone ones (`deleted_at` set) included."""
        ...

    def watch(self, after: Revision) -> AsyncIterator[Change]:
        """Yield every change after `after` in order, then follow; Expired when compacted or too slow."""
        ...

    async def put_status(self, key: Key, uid: Uid, status: AnyStatus) -> None:
        """Record what was observed of the object; writes nothing when it is equal, or when `uid` is no longer there."""
        ...

    async def retire(self, key: Key, uid: Uid) -> None:
        """Ask for deletion on behalf of the object itself; nothing when `uid` is no longer there."""
        ...

    async def forget(self, key: Key, uid: Uid) -> None:
        """Remove a deleted object of which nothing is left; watchers see DELETED."""
        ...

    async def record(
        self, key: Key | None, uid: Uid | None, severity: EventType, reason: str, message: str
    ) -> None:
        """Append an event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The answer to a batch: outcomes in the order of the drafts and the objects after the write, by outcome."""

    revision: Revision
    outcomes: tuple[Outcome, ...]
    resources: tuple[Resource, ...]


class StateStore(Protocol):
    """The store as the API sees it."""

    def snapshot(self) -> Snapshot:
        """Return every object at the present revision."""
        ...

    def revision(self) -> Revision:
        """Return the revision of the last write."""
        ...

    async def commit(self, decide: Callable[[Snapshot], Decision], *, request_id: str = "") -> Committed:
        """Run `decide` on the present state and write what it decides in one durable transaction, or nothing at all.

        No other write comes between. A `request_id` seen before (within the last day) returns the first answer and
        decides nothing. Errors that `decide` raises pass through.
        """
        ...

    def watch(self, after: Revision) -> AsyncIterator[Change]:
        """As DesiredState.watch."""
        ...

    async def history(self, key: Key) -> tuple[Resource, ...]:
        """Return the kept generations of an object's spec, newest first; NotFound when there never was one."""
        ...

    async def events(self, after_sequence: int, limit: int) -> tuple[Event, ...]:
        """Return kept events with a higher sequence, oldest first."""
        ...


class EventFeed(Protocol):
    """Events as they come."""

    def watch_events(self, after_sequence: int) -> AsyncIterator[Event]:
        """Yield kept events with a higher sequence, then follow."""
        ...


# --- the kernel ----------------------------------------------------------------------------------------------------


class Processes(Protocol):
    """Containers' processes through an OCI runtime, each watched over by a monitor that outlives the daemon."""

    async def list(self) -> tuple[ProcessFacts, ...]:
        """Return every process of this instance, ended and half-created ones included."""
        ...

    async def read(self, uid: Uid) -> ProcessFacts | None:
        """Return the process, None when there is none, not even the remains of one."""
        ...

    async def create(self, want: ProcessWant) -> None:
        """Create the process up to just before its program runs; removes the remains of a half creation first.

        The network namespace and the root must be there. Refused names what the runtime said.
        """
        ...

    async def start(self, uid: Uid) -> None:
        """Let the created program run; nothing when it already does. Refused when the program can't be run."""
        ...

    async def signal(self, uid: Uid, number: int) -> None:
        """Send a signal to the container's first process; nothing when it has ended."""
        ...

    async def delete(self, uid: Uid) -> None:
        """End the process by SIGKILL if it lives and remove everything about it but its log."""
        ...


class Freezer(Protocol):
    """Stops the clock for a container's processes."""

    async def pause(self, uid: Uid) -> None:
        """Freeze every process of the container."""
        ...

    async def resume(self, uid: Uid) -> None:
        """Let them go on."""
        ...


class Limits(Protocol):
    """Cgroup limits of a container with a process."""

    async def read(self, uid: Uid) -> LimitFacts | None:
        """Return the limits in force; None when the container has no cgroup."""
        ...

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        """Set the limits. Refused when the kernel can't (memory below what is used)."""
        ...


class Roots(Protocol):
    """Containers' root file systems."""

    async def list(self) -> tuple[RootFacts, ...]:
        """Return every root that is mounted or has a writable layer."""
        ...

    async def read(self, uid: Uid) -> RootFacts:
        """Return the facts of one root, mounted or not."""
        ...

    async def mount(self, want: RootWant) -> None:
        """Mount the root; a stale mount of other layers is replaced. NotFound when a lower directory is missing."""
        ...

    async def unmount(self, uid: Uid) -> None:
        """Unmount the root; the writable layer stays."""
        ...

    async def delete(self, uid: Uid) -> None:
        """Remove the writable layer and the logs; the root must be unmounted."""
        ...

    async def read_accounts(self, want: RootWant) -> AccountFiles:
        """Return the account files that the container will see, mounted or not, following no link out of the root."""
        ...


class Namespaces(Protocol):
    """Network namespaces that containers' processes are put into."""

    async def list(self) -> tuple[NamespaceFacts, ...]:
        """Return every namespace of this instance."""
        ...

    async def read(self, container: Uid) -> NamespaceFacts | None:
        """Return one container's namespace, None when there is none."""
        ...

    async def ensure(self, container: Uid) -> None:
        """Make the namespace with loopback up and IPv6 off."""
        ...

    async def delete(self, container: Uid) -> None:
        """Drop the namespace; the kernel removes the links in it in its own time."""
        ...


class Bridges(Protocol):
    """Bridges of networks."""

    async def list(self) -> tuple[BridgeFacts, ...]:
        """Return every bridge of this instance."""
        ...

    async def ensure(self, want: BridgeWant) -> None:
        """Make the bridge, or make it so again. Conflict when a link of others has the name."""
        ...

    async def delete(self, network: Uid) -> None:
        """Remove the bridge; ports lose their bridge and stay."""
        ...


class Attachments(Protocol):
    """Veth pairs between containers' namespaces and bridges."""

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return the attachments of every container; those whose namespace is gone have no inside."""
        ...

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's attachments."""
        ...

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the attachment, or mend just what differs. NotFound when namespace or bridge is missing."""
        ...

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a veth pair of the container."""
        ...


class Firewall(Protocol):
    """The host's packet filter and address translation, in chains of our own."""

    async def read(self) -> FirewallFacts:
        """Return what is installed."""
        ...

    async def replace(self, want: FirewallWant) -> None:
        """Install all rules of `want` atomically per table, in place of ours, and the jumps to them first in line."""
        ...

    async def delete(self) -> None:
        """Remove every chain and jump of this instance; the administrator's chain stays."""
        ...


class NameServer(Protocol):
    """Names of containers, served to containers; goes on while the daemon is down."""

    async def read(self) -> NamesFacts:
        """Return what is served."""
        ...

    async def publish(self, want: NamesWant) -> None:
        """Serve exactly the zones of `want`, without a gap; no server runs when there are none."""
        ...


class VolumeDirectories(Protocol):
    """Data directories of local volumes."""

    async def list(self) -> tuple[Uid, ...]:
        """Return the volumes that have a directory."""
        ...

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        ...

    async def prefill(self, volume: Uid, source: RootWant, path: str) -> None:
        """Copy what lies at `path` of a container's layers into the volume if it is empty; keeps owners and modes."""
        ...

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it."""
        ...


class Images(Protocol):
    """The content store of images."""

    async def list(self) -> tuple[ImageFacts, ...]:
        """Return every whole image."""
        ...

    async def find(self, digest: str) -> ImageFacts | None:
        """Return the image with this configuration or manifest digest, None when it is not whole."""
        ...

    async def import_archive(self, path: str, config: ImageConfig) -> ImageFacts:
        """Store a tar archive as an image of one layer. NotFound, Invalid (not an archive), Exhausted."""
        ...

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """Store a copy of a directory as an image of one layer."""
        ...

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        """Remove the image with this configuration digest and those of its layers that no image needs nor `keep` names."""
        ...


class HostView(Protocol):
    """What admission must know of the host."""

    async def read(self) -> HostFacts:
        """Return routes, listeners and links that are not ours."""
        ...


class HintType(StrEnum):
    """What an event of the kernel was about."""

    PROCESS = "process"
    ATTACHMENT = "attachment"
    BRIDGE = "bridge"
    ROOT = "root"
    LIMITS = "limits"
    FIREWALL = "firewall"
    NAMES = "names"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something may have changed. `subject` is a container's or network's uid, empty when all of the type may be meant."""

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


# --- sessions ------------------------------------------------------------------------------------------------------


class Stream(StrEnum):
    """Where bytes came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Session(Protocol):
    """A client's connection to a running process; ends when the process or the client does."""

    def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """Yield what the process writes, until it ends."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes to standard input."""
        ...

    async def close_stdin(self) -> None:
        """End standard input."""
        ...

    async def resize(self, *, rows: int, columns: int) -> None:
        """Tell the terminal's size."""
        ...

    async def exit_code(self) -> int | None:
        """Wait for the process of an exec to end and return its code; None for attach, whose end the store tells."""
        ...

    async def close(self) -> None:
        """Let go; an exec's process that still runs is left alone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecWant:
    """A further process in a running container. `environment` adds to the container's own."""

    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    stdin: bool = False
    privileged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A piece of output: whole lines end with a newline, pieces of longer ones don't."""

    at: datetime
    stream: Stream
    data: bytes


class Sessions(Protocol):
    """Ways into a container's process."""

    async def attach(self, uid: Uid) -> Session:
        """Connect to a created or running process. NotFound when there is none."""
        ...

    def expect_attach(self, name: str) -> "Gate":
        """Hold back the start of the container of this name, not yet created, until its gate opens (at most 10 s)."""
        ...

    async def exec(self, uid: Uid, want: ExecWant) -> Session:
        """Run a further process. Conflict when the container does not run; Refused when the program can't be run."""
        ...

    def logs(
        self, uid: Uid, *, follow: bool, since: datetime | None, tail: int | None
    ) -> AsyncIterator[LogLine]:
        """Yield the log from the oldest line kept (or the last `tail`), then follow until the container is deleted."""
        ...


class Gate(Protocol):
    """Held by a client that wants to be attached before the process starts."""

    async def created(self) -> Uid:
        """Wait until the process is created and return its container."""
        ...

    def open(self) -> None:
        """Let the process start."""
        ...


# --- around the daemon ---------------------------------------------------------------------------------------------


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
