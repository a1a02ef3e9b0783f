"""Files inside containers: taken out, put in, compared, measured."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from controller.model.ids import Uid
from controller.model.wants import RootWant


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMount:
    """A file or directory of the host that a container sees at `target`; `subpath` is what it sees of a volume."""

    source: str
    target: str
    read_only: bool
    subpath: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPlace:
    """A container's files. `pid` is its first process, whose view of them counts; 0 when it does not run.

    `mounts` come over the root of one that does not run. `mount_points` are paths that exist for mounts alone.
    """

    root: RootWant
    pid: int = 0
    read_only: bool = False
    mounts: tuple[ShownMount, ...] = ()
    mount_points: tuple[str, ...] = ()

    @property
    def uid(self) -> Uid:
        return self.root.uid


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is at a path. `mode` has the type as well (inode(7)); `modified_at` is in seconds since the epoch."""

    name: str
    mode: int
    size_bytes: int
    modified_at: float
    link_target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """What is at a path, and a tar stream of it whose entries begin with its name."""

    facts: FileFacts
    archive: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWant:
    """Where a tar stream goes.

    `name` is what is copied; nothing for an archive that is unpacked as it is. `contents` asks for what is in the
    directory. Files belong to root unless their owners are kept.
    """

    path: str
    name: str = ""
    is_directory: bool = False
    contents: bool = False
    keep_owner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A path that differs from the layers below: `kind` is A (added), C (changed) or D (deleted)."""

    kind: str
    path: str


class ContainerFiles(Protocol):
    """Files of containers, whatever links and races there are in them: nothing outside of a container is reached.

    NotFound when a path or the root is not there, Invalid when a path can't mean what is asked, Refused for what the
    kernel says no to, Exhausted when the disk is full.
    """

    def reading(
        self, place: FilesPlace, path: str, *, follow: bool
    ) -> AbstractAsyncContextManager[FilesRead]:
        """Read what is at a path; a final link is followed when asked to, or when the path ends in a slash."""
        ...

    async def put(self, place: FilesPlace, want: PutWant, chunks: AsyncIterator[bytes]) -> None:
        """Unpack a tar stream by Docker's rules for `cp`; what was made before an error stays."""
        ...

    def exporting(self, place: FilesPlace) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read the whole root, without what is mounted over it, as a tar stream."""
        ...

    def packing(self, place: FilesPlace) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read the writable layer as a tar stream of an image's layer."""
        ...

    async def compare(self, place: FilesPlace) -> tuple[FileChange, ...]:
        """Return what the writable layer changes, each directory before what is in it."""
        ...

    async def measure(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the bytes of the files in writable layers."""
        ...
