"""Volumes and images."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from controller.model.facts import (
    ImageFacts,
    VolumeFacts,
)
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.usage import Reclaimed
from controller.model.wants import (
    RootWant,
    VolumeWant,
)


class VolumeDirectories(Protocol):
    """Data directories of local volumes, and what is mounted at them."""

    async def list(self) -> tuple[VolumeFacts, ...]:
        """Return the volumes that have a directory."""
        ...

    async def read(self, volume: Uid) -> VolumeFacts | None:
        """Return one of them, None when it has no directory."""
        ...

    async def ensure(self, volume: Uid) -> None:
        """Make the directory, empty, mode 0755."""
        ...

    async def mount(self, volume: VolumeWant) -> None:
        """Mount what belongs at the directory, which has to be there; nothing when something is mounted at it already.

        Refused names the cause, Unavailable when a server does not answer.
        """
        ...

    async def unmount(self, volume: Uid) -> None:
        """Unmount what is mounted at the directory, unless containers or the contents' methods use it just now."""
        ...

    async def delete(self, volume: Uid) -> None:
        """Remove the directory and all in it, but never what is mounted there. Refused while something is."""
        ...


class VolumeContents(Protocol):
    """What is in volumes. Each method mounts what belongs at the directory, if it is not, and unmounts it again.

    All of them are whole or nothing, also when the daemon is killed. Exhausted when the disk is full; then nothing has
    changed.
    """

    async def prefill(self, volume: VolumeWant, source: RootWant, path: str) -> None:
        """Copy what lies at `path` of a container's layers into the volume if it is empty; keeps owners and modes.

        What was mounted for this stays mounted: a container comes next. Unavailable while the volume has no directory.
        """
        ...

    async def copy(self, volume: Uid, source: VolumeWant) -> None:
        """Make the directory of `volume`, with all that `source` has; nothing when it is there already.

        NotFound when that of `source` is not.
        """
        ...

    def keeping(self, volume: VolumeWant) -> AbstractAsyncContextManager[None]:
        """Do nothing but to keep what belongs at the directory mounted for the length of the block."""
        ...

    def reading(self, volume: VolumeWant) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read all as a tar stream (pax): owners, modes, nanoseconds, links, holes, extended attributes. NotFound."""
        ...

    async def restore(self, volume: VolumeWant, chunks: AsyncIterator[bytes], *, force: bool) -> None:
        """Put what a tar stream has in place of all that there is; a packed one is unpacked.

        Conflict when there is anything and `force` was not given, Invalid when the stream is broken or hostile.
        """
        ...

    async def revert(self, volume: VolumeWant, source: VolumeWant, *, force: bool) -> None:
        """Put a copy of what `source` has in place of all that there is. Conflict as with `restore`."""
        ...


class Images(Protocol):
    """The content store of images."""

    async def list(self) -> tuple[ImageFacts, ...]:
        """Return every whole image."""
        ...

    async def find(self, digest: str) -> ImageFacts | None:
        """Return the image with this configuration or manifest digest, None when it is not whole."""
        ...

    async def import_archive(self, path: str, config: ImageConfig, *, name: str) -> ImageFacts:
        """Store a tar archive: that of a root file system as an image of one layer, or an image out of an image archive.

        Of several images that of this name is taken. NotFound (the archive, or the name in it), Invalid (not an
        archive, or a configuration beside that of the image), Exhausted.
        """
        ...

    async def import_directory(self, path: str, config: ImageConfig) -> ImageFacts:
        """Store a copy of a directory as an image of one layer."""
        ...

    async def delete(self, image_id: str, *, keep: frozenset[str]) -> None:
        """Remove the image with this configuration digest and those of its layers that no image needs nor `keep` names."""
        ...

    async def discard(self, image_id: str, *, keep: frozenset[str]) -> bool:
        """Do as `delete`, unless somebody is about to give the image a name; False when it is left for that."""
        ...

    async def collect(self, *, keep: frozenset[str]) -> Reclaimed:
        """Remove layers and blobs that no image needs, nobody is about to use and `keep` does not name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What an archive turned out to be: digest of the uncompressed tar, bytes of all files, number of entries.

    `ended` tells whether the archive had its end mark with nothing behind it; without, it may have been cut off.
    """

    diff_id: str
    size_bytes: int
    entries: int
    ended: bool


class Unpacking(Protocol):
    """An archive that is being unpacked while it comes in."""

    async def feed(self, chunk: bytes) -> None:
        """Give the next piece; waits while the unpacker is behind. Raises what `finish` would as soon as it is known."""
        ...

    async def finish(self) -> Unpacked:
        """Say that the archive is whole, and wait until everything is unpacked; `Unpacker.sync` makes it durable.

        Invalid when it is no archive, is cut off or is hostile, Exhausted when the disk is full.
        """
        ...


class Following(Protocol):
    """An archive in a file that is still being written; its calls come one after another."""

    async def grown(self) -> None:
        """Say that there is more in the file. Errors as `finish`, should the archive be refused already."""
        ...

    async def finish(self) -> Unpacked:
        """Say that the file is whole, and wait until all of it is unpacked; errors as `Unpacking.finish`."""
        ...


class Unpacker(Protocol):
    """Takes archives apart, confined to the directory that they go to.

    Archives are tar, plain or compressed by gzip, zstd, bzip2 or xz, told by their first bytes. Owners, modes, times,
    links, holes, extended attributes, fifos and devices are kept; whiteouts become those of overlayfs. After an error
    the directory is to be thrown away. `about` names the archive in errors.
    """

    def unpacking(self, target_path: str, *, about: str) -> AbstractAsyncContextManager[Unpacking]:
        """Unpack what is fed into an empty directory; leaving the block before `finish` gives up."""
        ...

    def following(
        self, archive_path: str, target_path: str, *, about: str
    ) -> AbstractAsyncContextManager[Following]:
        """Unpack a file into an empty directory while it is written to; leaving the block before `finish` gives up."""
        ...

    async def unpack_file(self, archive_path: str, target_path: str, *, about: str) -> Unpacked:
        """Unpack a file into an empty directory, as `Unpacking.finish` does. NotFound when there is no such file."""
        ...

    async def sync(self, path: str) -> None:
        """Make everything durable that was written to the file system of `path`."""
        ...

    async def empty(self, directory_path: str) -> None:
        """Remove everything in a directory, however deep. Refused."""
        ...

    async def pack(self, directory_path: str, archive_path: str) -> None:
        """Write a directory's content to a new tar archive. NotFound, Refused, Exhausted."""
        ...
