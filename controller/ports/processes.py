"""Containers' processes, their limits, their root file systems."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from controller.model.facts import AccountFiles, ProcessFacts, RootFacts
from controller.model.ids import Uid
from controller.model.limits import LimitFacts, LimitsWant
from controller.model.wants import ProcessWant, RootWant


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


class Texts(Protocol):
    """Files that live containers have mounted: hosts, resolv.conf, hostname."""

    async def rewrite(self, uid: Uid, files: Sequence[tuple[str, str]]) -> None:
        """Give the container's process new texts for the files that it was created with; nothing when there is none."""
        ...


class Freezer(Protocol):
    """Stops the clock for a container's processes."""

    async def pause(self, uid: Uid) -> None:
        """Freeze every process of the container."""
        ...

    async def resume(self, uid: Uid) -> None:
        """Let them go on."""
        ...

    def holding(self, uid: Uid) -> AbstractAsyncContextManager[None]:
        """Keep them from running for the length of the block, whatever `pause` and `resume` ask for; that comes after it.

        They do not count as paused meanwhile. Nothing for a container without processes. Unavailable when they don't
        freeze.
        """
        ...


class Limits(Protocol):
    """Cgroup limits of a container with a process."""

    async def read(self, uid: Uid, *, devices: tuple[str, ...] = ()) -> LimitFacts | None:
        """Return the limits in force; None when the container has no cgroup.

        Block devices among `devices` are named by these paths, others by number. Those that are missing don't matter.
        """
        ...

    async def apply(self, uid: Uid, want: LimitsWant) -> None:
        """Set the limits; what the host can't limit (see HostLimits) is left out.

        Refused when the kernel can't (memory below what is used), NotFound when a device or the cgroup is not there.
        """
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
