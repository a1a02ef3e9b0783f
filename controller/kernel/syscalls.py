"""System calls that Python's library lacks, one to one. A failed call raises OSError with the kernel's errno.

Those that change namespaces or directories act on the calling thread, never on the event loop's (see `threads`).
"""

import ctypes
import functools
import os
import struct
from collections.abc import Callable
from typing import Any

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

AT_FDCWD = -100
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

IN_MODIFY = 0x00000002
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_IGNORED = 0x00008000
IN_MASK_ADD = 0x20000000
IN_ONESHOT = 0x80000000
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_MNT_ID_UNIQUE = 0x4000
_STATX_MNT_ID_OFFSET, _STATX_BYTES = 144, 256
_LSMT_ROOT = 0xFFFF_FFFF_FFFF_FFFF
_MNT_ID_REQUEST = struct.Struct("=IIQQ")
_MOUNTS_AT_ONCE = 4096
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_EMPTY_PATH = 0x1000
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOUNT_ATTR_RDONLY = 0x00000001
_MOUNT_ATTR_IDMAP = 0x00100000
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_MOUNT_SETATTR = 442
_NR_LISTMOUNT = 458
_NR_OPENAT2 = 437
"""The same on every machine: numbers were made equal from 424 on (arch/*/syscall.tbl)."""


@functools.cache
def _load_libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(function: Callable[..., Any], *arguments: object, about: str) -> int:
    """Call a C function that returns -1 and sets errno on failure."""
    result = int(function(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about)
    return result


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    _call(
        _load_libc().mount,
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind),
        ctypes.c_ulong(flags),
        os.fsencode(data),
        about=target,
    )


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _call(_load_libc().umount2, os.fsencode(target), flags, about=target)


def unshare(flags: int) -> None:
    """unshare(2), for the calling thread."""
    _call(_load_libc().unshare, flags, about="unshare")


def setns(fd: int, kind: int = 0) -> None:
    """setns(2), for the calling thread."""
    _call(_load_libc().setns, fd, kind, about="setns")


def syncfs(fd: int) -> None:
    """syncfs(2)."""
    _call(_load_libc().syncfs, fd, about="syncfs")


def openat2(dir_fd: int, path: str, flags: int, *, resolve: int, mode: int = 0) -> int:
    """openat2(2); the descriptor is closed on exec."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _call(
        _load_libc().syscall,
        ctypes.c_long(_NR_OPENAT2),
        ctypes.c_long(dir_fd),
        os.fsencode(path),
        how,
        ctypes.c_size_t(len(how)),
        about=path,
    )


def open_tree(dir_fd: int, path: str, flags: int) -> int:
    """open_tree(2)."""
    return _call(
        _load_libc().syscall,
        ctypes.c_long(_NR_OPEN_TREE),
        ctypes.c_long(dir_fd),
        os.fsencode(path),
        ctypes.c_ulong(flags),
        about=path,
    )


def move_mount(tree_fd: int, target: str) -> None:
    """move_mount(2), of a mount that is held by a descriptor."""
    _call(
        _load_libc().syscall,
        ctypes.c_long(_NR_MOVE_MOUNT),
        ctypes.c_long(tree_fd),
        b"",
        ctypes.c_long(AT_FDCWD),
        os.fsencode(target),
        ctypes.c_ulong(_MOVE_MOUNT_F_EMPTY_PATH),
        about=target,
    )


def mount_setattr_idmap(tree_fd: int, user_namespace_fd: int) -> None:
    """mount_setattr(2) with MOUNT_ATTR_IDMAP, on a mount that is held by a descriptor and is nowhere yet."""
    _set_mount_attributes(tree_fd, struct.pack("QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, user_namespace_fd))


def mount_setattr_read_only(tree_fd: int) -> None:
    """mount_setattr(2) with MOUNT_ATTR_RDONLY, on a mount that is held by a descriptor."""
    _set_mount_attributes(tree_fd, struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0))


def _set_mount_attributes(tree_fd: int, attributes: bytes) -> None:
    _call(
        _load_libc().syscall,
        ctypes.c_long(_NR_MOUNT_SETATTR),
        ctypes.c_long(tree_fd),
        b"",
        ctypes.c_ulong(AT_EMPTY_PATH),
        attributes,
        ctypes.c_size_t(len(attributes)),
        about="mount_setattr",
    )


def read_unique_mount_id(path: str) -> int | None:
    """Return the number that the mount at a path has for itself until the next boot; links are not followed.

    None from a kernel that gives none (statx(2), STATX_MNT_ID_UNIQUE: Linux 6.8).
    """
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    mask = ctypes.c_uint(_STATX_MNT_ID_UNIQUE)
    _call(_load_libc().statx, AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, mask, buffer, about=path)
    (told,) = struct.unpack_from("=I", buffer)
    return struct.unpack_from("=Q", buffer, _STATX_MNT_ID_OFFSET)[0] if told & _STATX_MNT_ID_UNIQUE else None


def list_mount_ids() -> frozenset[int] | None:
    """Return the numbers, as `read_unique_mount_id` gives them, of all mounts below the calling process' root.

    None from a kernel that can't tell (listmount(2): Linux 6.8).
    """
    numbers = (ctypes.c_uint64 * _MOUNTS_AT_ONCE)()
    found: list[int] = []
    while True:
        last = found[-1] if found else 0
        request = _MNT_ID_REQUEST.pack(_MNT_ID_REQUEST.size, 0, _LSMT_ROOT, last)
        count = _load_libc().syscall(
            ctypes.c_long(_NR_LISTMOUNT), request, numbers, ctypes.c_size_t(_MOUNTS_AT_ONCE), ctypes.c_uint(0)
        )
        if count < 0:
            return None
        found += numbers[:count]
        if count < _MOUNTS_AT_ONCE:
            return frozenset(found)


def inotify_init1(flags: int) -> int:
    """inotify_init1(2)."""
    return _call(_load_libc().inotify_init1, flags, about="inotify_init1")


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    """inotify_add_watch(2); returns the watch descriptor."""
    return _call(_load_libc().inotify_add_watch, fd, os.fsencode(path), ctypes.c_uint32(mask), about=path)


def inotify_rm_watch(fd: int, watch: int) -> None:
    """inotify_rm_watch(2)."""
    _call(_load_libc().inotify_rm_watch, fd, watch, about="inotify_rm_watch")
