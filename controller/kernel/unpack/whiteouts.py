"""What a layer removes of the layers below it: names in an archive (OCI image specification, layer, Whiteouts), marks in overlayfs."""

import os
import stat

from controller.kernel.unpack.refusal import Hostile

PREFIX = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
_META_PREFIX = b".wh..wh."
OPAQUE_XATTR = "trusted.overlay.opaque"


def is_whiteout(name: bytes) -> bool:
    """Tell whether the last part of a path speaks of the layers below."""
    return name.startswith(PREFIX)


def find_target(name: bytes) -> bytes | None:
    """Return the name that a whiteout removes, None for notes that other storage drivers left.

    Hostile when it would remove its own directory or the one above.
    """
    if name.startswith(_META_PREFIX):
        return None
    target = name.removeprefix(PREFIX)
    if target in (b"", b".", b".."):
        raise Hostile(f"entry {name!r} removes the directory that it lies in")
    return target


def hide(path: bytes) -> None:
    """Hide what lower layers have at `path`: a directory of this layer becomes opaque, a file hides it anyway."""
    try:
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    except FileExistsError:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            make_opaque(path)


def make_opaque(path: bytes) -> None:
    """Hide all that lower layers have in a directory (overlayfs.rst of the kernel, opaque directories)."""
    os.setxattr(path, OPAQUE_XATTR, b"y", follow_symlinks=False)


def is_mark(path: bytes) -> bool:
    """Tell whether a whiteout of this layer lies at `path`."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
