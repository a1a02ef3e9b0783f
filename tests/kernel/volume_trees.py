"""A directory with one of everything, and all that a copy of it has to keep."""

import os
import struct
from pathlib import Path

_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in (
        (1, 7, 0xFFFFFFFF),
        (2, 5, 1234),
        (4, 5, 0xFFFFFFFF),
        (16, 5, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)
"""The owner, user 1234, the group, the mask, others; as the kernel takes it (linux/posix_acl_xattr.h)."""

State = dict[str, tuple[object, ...]]


def fill(path: Path) -> None:
    """Make one of everything that can be in a directory."""
    (path / "deep/er").mkdir(parents=True)
    (path / "deep/file").write_text("hello")
    os.link(path / "deep/file", path / "same")
    (path / "link").symlink_to("/etc/passwd")
    (path / ".wh.deep").write_text("no whiteout")
    os.mkfifo(path / "fifo", 0o640)
    os.mknod(path / "null", 0o020600, os.makedev(1, 3))
    Path(os.fsdecode(os.fsencode(path) + b"/\xff\n")).write_text("no text")
    (path / ("long" * 60)).write_text("named at length")
    with (path / "sparse").open("wb") as file:
        file.seek(1 << 29)
        file.write(b"island")
        file.truncate(1 << 30)
    os.setxattr(path / "deep/file", "user.note", b"\x00\xff")
    os.setxattr(path / "deep/er", "trusted.note", b"kept")
    os.setxattr(path / "deep", "system.posix_acl_access", _ACL)
    os.setxattr(path / "deep", "system.posix_acl_default", _ACL)
    os.chown(path / "deep/er", 70000, 7)
    os.chown(path / "link", 8, 9, follow_symlinks=False)
    (path / "deep/er").chmod(0o2751)
    for name, moment in (
        ("deep/file", 1600000000123456789),
        ("link", 1500000000987654321),
        ("deep", 1),
        (".", 3),
    ):
        os.utime(path / name, ns=(moment, moment), follow_symlinks=False)


def describe(path: Path) -> State:
    """Return all that a copy has to keep, by path."""
    return {str(each.relative_to(path)): _describe_one(each) for each in (path, *path.rglob("*"))}


def _describe_one(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    is_file = path.is_file() and not path.is_symlink()
    content: object = path.readlink() if path.is_symlink() else None
    if is_file:
        content = path.read_bytes() if status.st_size < 1000 else status.st_size
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
    }
    links = status.st_nlink if is_file else 1
    return (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        status.st_rdev,
        links,
        content,
        xattrs,
    )
