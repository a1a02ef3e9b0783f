"""Content by digest: `blobs/sha256-HEX` is a whole file whose digest was checked, or is not there (but see `settling`)."""

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from io import FileIO
from pathlib import Path

from controller.errors import Invalid, NotFound
from controller.images.descriptors import Descriptor, check_digest
from controller.images.documents import derive_digest
from controller.images.files import derive_partial, in_thread, opened_file, remove_partials, write_at_once
from controller.images.leases import Leases
from controller.images.settling import Settling
from controller.images.turns import Turns

_CHUNK_BYTES = 1 << 20
_ABOUT = "a blob can't be stored"


class BlobStore:
    """`load` comes first, once. What is there is kept in memory, so that a look needs no waiting."""

    def __init__(self, directory: Path, leases: Leases, settling: Settling) -> None:
        self.directory = directory
        self.settling = settling
        self._leases = leases
        self._sizes: dict[str, int] = {}
        self._turns = Turns()

    def load(self, doubtful: frozenset[str]) -> None:
        """Read what is there, remove what was interrupted or is `doubtful`; blocks."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_partials(self.directory)
        for path in self.directory.iterdir():
            digest = path.name.replace("-", ":", 1)
            if digest in doubtful:
                path.unlink()
            else:
                self._sizes[digest] = path.stat().st_size

    def has(self, digest: str) -> bool:
        """Tell whether a blob is there; an open lease keeps it so."""
        self._leases.touch(digest)
        return digest in self._sizes

    def find_size_bytes(self, digest: str) -> int:
        """Return a blob's size. NotFound."""
        try:
            return self._sizes[digest]
        except KeyError:
            raise NotFound(f"blob {digest} is not in the store") from None

    def list(self) -> tuple[str, ...]:
        """Return the digests of all blobs."""
        return tuple(self._sizes)

    def path(self, digest: str) -> Path:
        """Return where a blob lies, or would."""
        return self.directory / check_digest(digest).replace(":", "-")

    def taking(self, digest: str) -> AbstractAsyncContextManager[None]:
        """Return a context in which nobody else brings or removes the blob."""
        return self._turns.taking(check_digest(digest))

    async def write(self, content: bytes) -> str:
        """Store a small document and return its digest; durable once settled. Whoever reads it checks the digest."""
        digest = derive_digest(content)
        async with self.taking(digest):
            if not self.has(digest):
                await in_thread(_ABOUT, lambda: write_at_once(self.path(digest), content))
                self.add(digest, len(content))
        return digest

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator["BlobWriter"]:
        """Give what a blob is written to piece by piece; nothing stays unless `keep` was called."""
        partial_path = derive_partial(self.directory / "blob")
        async with opened_file(_ABOUT, partial_path, "xb", temporary=True) as file:
            yield BlobWriter(self, partial_path, file)

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """Yield a blob in pieces. NotFound."""
        self.find_size_bytes(digest)
        about = "a blob can't be read"
        async with opened_file(about, self.path(digest), "rb") as file:
            while chunk := await in_thread(about, lambda: file.read(_CHUNK_BYTES)):
                yield chunk

    async def read_whole(self, digest: str) -> bytes:
        """Return a small document. NotFound."""
        self.find_size_bytes(digest)
        return await in_thread("a blob can't be read", self.path(digest).read_bytes)

    def add(self, digest: str, size_bytes: int) -> None:
        """Count a blob that has just got its name."""
        self._leases.touch(digest)
        self._sizes[digest] = size_bytes

    async def adopt(self, path: Path, descriptor: Descriptor) -> None:
        """Move a file in, whose digest and size have to be those of the descriptor; Invalid when not. Inside `taking`."""
        await in_thread(_ABOUT, lambda: _check_file(path, descriptor))
        async with self.settling.noted([descriptor.digest]):
            await in_thread(_ABOUT, lambda: path.rename(self.path(descriptor.digest)))
        self.add(descriptor.digest, descriptor.size_bytes)

    async def remove(self, digest: str) -> int:
        """Remove a blob and return its size, 0 when it was not there; nobody finds it from the call on."""
        size_bytes = self._sizes.pop(digest, 0)
        async with self.taking(digest):
            if digest not in self._sizes:
                path = self.path(digest)
                await in_thread("a blob can't be removed", lambda: path.unlink(missing_ok=True))
        return size_bytes


class BlobWriter:
    """A blob that comes in; see `BlobStore.receiving`. Its calls come one after another."""

    def __init__(self, store: BlobStore, partial_path: Path, file: FileIO) -> None:
        self._store = store
        self._partial_path = partial_path
        self._file = file
        self._hash = hashlib.sha256()
        self.count_bytes = 0

    @property
    def path(self) -> Path:
        """Where the blob lies while it has no name."""
        return self._partial_path

    @property
    def digest(self) -> str:
        """The digest of what has come so far."""
        return f"sha256:{self._hash.hexdigest()}"

    async def write(self, *pieces: bytes) -> None:
        """Take the next pieces."""
        self.count_bytes += sum(map(len, pieces))
        await in_thread(_ABOUT, lambda: self._write(pieces))

    def _write(self, pieces: tuple[bytes, ...]) -> None:
        for piece in pieces:
            self._hash.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]

    async def keep(self) -> None:
        """Give the file its name; durable once settled. Inside `taking`, as the digest is known."""
        digest = self.digest
        path = self._store.path(digest)
        async with self._store.settling.noted([digest]):
            await in_thread(_ABOUT, lambda: self._partial_path.rename(path))
        self._store.add(digest, self.count_bytes)


def check_content(descriptor: Descriptor, size_bytes: int, digest: str) -> None:
    """Refuse content whose size or digest is not the descriptor's."""
    if size_bytes != descriptor.size_bytes:
        raise Invalid(
            f"{descriptor.digest} has {size_bytes:,} bytes, not the {descriptor.size_bytes:,} its manifest says: "
            "it was cut off or changed"
        )
    if digest != descriptor.digest:
        raise Invalid(f"{descriptor.digest} was changed on its way: its digest is {digest}")


def _check_file(path: Path, descriptor: Descriptor) -> None:
    path.chmod(0o600)
    with path.open("rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        check_content(descriptor, os.fstat(file.fileno()).st_size, f"sha256:{digest}")
