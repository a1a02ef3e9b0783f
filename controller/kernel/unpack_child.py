"""The child of `unpacker`: `python -m controller.kernel.unpack_child ARCHIVE TARGET`.

Opens the archive, makes TARGET its root directory, and unpacks. Prints one JSON object: what was unpacked, or an
`error` (invalid, exhausted, refused) with its message. Imports nothing of hold, so that it starts fast.
"""

import bz2
import ctypes
import errno
import gzip
import hashlib
import json
import lzma
import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, cast

MOST_ENTRIES = 2_000_000
MOST_EXPANSION = 1000
"""A file that unpacks to more than this many times its packed size, and to more than LEAST_BOMB_BYTES, is a bomb."""
LEAST_BOMB_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_OVERLAY_XATTRS = "trusted.overlay."
"""What overlayfs believes about its own layers (kernel, filesystems/overlayfs): not an archive's to say."""
_SUPPORTED = "a plain, gzip, bzip2 or xz tar archive"


class Hostile(Exception):
    """The archive is none, is broken, or asks for what no image needs."""


class HashingReader:
    """Reads a stream, hashing and counting what passes; refuses to expand without bounds."""

    def __init__(self, stream: IO[bytes], packed_bytes: int) -> None:
        self._stream = stream
        self._limit_bytes = find_limit_bytes(packed_bytes)
        self._hash = hashlib.sha256()
        self._count_bytes = 0
        self._content_end = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        content = len(data.rstrip(b"\0"))
        if content:
            self._content_end = self._count_bytes + content
        self._count_bytes += len(data)
        if self._count_bytes > self._limit_bytes:
            raise Hostile(f"unpacks to more than {MOST_EXPANSION} times its size: it looks like a bomb")
        return data

    def drain(self) -> str:
        """Read to the end and return the digest of everything."""
        while self.read(_CHUNK_BYTES):
            pass
        return f"sha256:{self._hash.hexdigest()}"

    def check_end(self, offset: int) -> None:
        """Refuse an archive that does not end at `offset` by blocks of zeros (tar(5)): it is cut off, or broken there.

        tarfile itself takes a bad header in the middle for the end.
        """
        if self._content_end > offset or self._count_bytes < offset + tarfile.BLOCKSIZE:
            raise Hostile("is cut off or broken after its first entries: get it again")


def find_limit_bytes(packed_bytes: int) -> int:
    """Return how much an archive of this size may unpack to."""
    return max(LEAST_BOMB_BYTES, packed_bytes * MOST_EXPANSION)


def open_decompressed(archive: IO[bytes]) -> IO[bytes]:
    """Return the plain stream of an archive, told by its first bytes."""
    magic = archive.read(6)
    archive.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=archive))
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(archive)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(archive)
    return archive


class Extractor:
    """Makes entries below the process' root directory."""

    def __init__(self, packed_bytes: int) -> None:
        self._limit_bytes = find_limit_bytes(packed_bytes)
        self.entries = 0
        self.size_bytes = 0
        self._directories: list[tuple[str, tarfile.TarInfo]] = []

    def extract(self, archive: tarfile.TarFile) -> None:
        """Make every entry, then set the times of directories, which making entries in them had changed."""
        for member in archive:
            self.entries += 1
            if self.entries > MOST_ENTRIES:
                raise Hostile(f"has more than {MOST_ENTRIES:,} entries")
            self._extract_one(archive, member)
        for path, member in reversed(self._directories):
            os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)

    def _extract_one(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if self.size_bytes + member.size > self._limit_bytes:
            raise Hostile(
                f"entry {member.name!r} makes it unpack to {member.size:,} bytes: it looks like a bomb"
            )
        path = check_name(member.name)
        if path == "/":
            self._set_attributes(path, member)
            return
        make_parents(path)
        if member.isdir():
            make_directory(path)
            self._directories.append((path, member))
        else:
            remove_existing(path)
            self._make(archive, member, path)
        if not member.islnk():
            self._set_attributes(path, member)

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        if member.isreg():
            self._write_file(archive, member, path)
        elif member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            os.link(check_name(member.linkname), path, follow_symlinks=False)
        elif member.isfifo():
            os.mkfifo(path, 0o600)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
        else:
            raise Hostile(f"entry {member.name!r} is of an unknown type")

    def _write_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        source = archive.extractfile(member)
        if source is None:
            raise Hostile(f"entry {member.name!r} has no content")
        file_fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(file_fd, "wb") as target:
            for data in iter(lambda: source.read(_CHUNK_BYTES), b""):
                if data.count(0) == len(data):
                    target.seek(len(data), os.SEEK_CUR)  # a hole instead of zeros
                else:
                    target.write(data)
            target.truncate(member.size)
        self.size_bytes += member.size

    def _set_attributes(self, path: str, member: tarfile.TarInfo) -> None:
        """Owner first: changing it clears set-id bits and capabilities (chown(2))."""
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            os.chmod(path, stat.S_IMODE(member.mode))
        for name, value in read_xattrs(member):
            os.setxattr(path, name, value, follow_symlinks=False)
        if not member.isdir():
            os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


def read_xattrs(member: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
    """Yield the extended attributes of an entry, as GNU tar and libarchive write them."""
    for key, value in member.pax_headers.items():
        name = key.removeprefix("SCHILY.xattr.")
        if name != key and not name.startswith(_OVERLAY_XATTRS):
            yield name, value.encode("utf-8", "surrogateescape")


def check_name(name: str) -> str:
    """Return an entry's absolute path below the root; Hostile when it climbs."""
    parts = PurePosixPath("/" + name).parts[1:]
    if ".." in parts or "\0" in name:
        raise Hostile(f"entry {name!r} climbs out of the archive")
    return "/" + "/".join(part for part in parts if part not in ("/", "//"))


def make_parents(path: str) -> None:
    """Make missing directories above a path; a link in the way is replaced, as the archive means a directory."""
    parts = path.strip("/").split("/")[:-1]
    current = ""
    for part in parts:
        current = f"{current}/{part}"
        make_directory(current)


def make_directory(path: str) -> None:
    """Make a directory unless there is one; a link to a directory of the root counts as one."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if not os.path.isdir(path):
            os.unlink(path)
            os.mkdir(path, 0o755)


def remove_existing(path: str) -> None:
    """Make way for an entry that comes twice."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        for folder, directories, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in directories:
                inner = os.path.join(folder, name)
                (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
        os.rmdir(path)
    else:
        os.unlink(path)


def sync_file_system(path: str) -> None:
    """Make everything written to the file system of `path` durable (syncfs(2))."""
    directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(directory_fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", path)
    finally:
        os.close(directory_fd)


def unpack(archive_path: str, target_path: str) -> dict[str, Any]:
    """Unpack and return what it came to."""
    os.umask(0)
    with open(archive_path, "rb") as archive:
        packed_bytes = os.fstat(archive.fileno()).st_size
        reader = HashingReader(open_decompressed(archive), packed_bytes)
        os.chroot(target_path)
        os.chdir("/")
        extractor = Extractor(packed_bytes)
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|", errorlevel=2) as members:
            extractor.extract(members)
            end = members.offset
        digest = reader.drain()
        reader.check_end(end)
    sync_file_system("/")
    return {"diff_id": digest, "size": extractor.size_bytes, "entries": extractor.entries}


def main(archive_path: str, target_path: str) -> dict[str, Any]:
    """Unpack; errors come back as an answer too."""
    try:
        return unpack(archive_path, target_path)
    except Hostile as error:
        return {"error": "invalid", "message": str(error)}
    except (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, ValueError, UnicodeError) as error:
        return {"error": "invalid", "message": f"is not {_SUPPORTED}, or is broken: {error}"}
    except OSError as error:
        kind = "exhausted" if error.errno in _NO_SPACE else "refused"
        return {"error": kind, "message": f"can't be unpacked: {(error.strerror or str(error)).lower()}"}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
