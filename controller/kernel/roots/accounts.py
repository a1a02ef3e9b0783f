"""Account files as a container will see them, from its layers, without mounting them."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.kernel.files.confined import open_root, read_text_in_root
from controller.model.facts import AccountFiles

_MAX_LINKS = 16


def read_accounts_in_layers(layer_paths: Sequence[str]) -> AccountFiles:
    """Return the files from layers, topmost first."""
    return AccountFiles(
        passwd=_read_text(layer_paths, "etc/passwd"), group=_read_text(layer_paths, "etc/group")
    )


def read_accounts_in_root(root_path: str) -> AccountFiles:
    """Return the files of a mounted root."""
    with open_root(root_path) as root_fd:
        return AccountFiles(
            passwd=read_text_in_root(root_fd, "etc/passwd") or "",
            group=read_text_in_root(root_fd, "etc/group") or "",
        )


def _read_text(layer_paths: Sequence[str], path: str) -> str:
    """Walk the merged tree; each step looks from the top layer down, and links start again at the merged root."""
    pending = path.split("/")
    walked: list[str] = []
    links = 0
    while pending:
        name = pending.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            walked = walked[:-1]
            continue
        found = next(_lookup(layer_paths, [*walked, name]), None)
        if found is None:
            return ""
        if found.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                return ""
            target = str(found.readlink())
            walked = [] if target.startswith("/") else walked
            pending = [*target.split("/"), *pending]
            continue
        walked.append(name)
    found = next(_lookup(layer_paths, walked), None)
    if found is None:
        return ""
    layer = str(found)[: -len("/".join(walked)) - 1]
    with open_root(layer or "/") as root_fd:
        return read_text_in_root(root_fd, "/".join(walked)) or ""


def _lookup(layer_paths: Sequence[str], parts: Sequence[str]) -> Iterator[Path]:
    """Yield the entry in each layer that can be seen from above, topmost first, obeying whiteouts and opaque dirs."""
    for layer in layer_paths:
        hidden = False
        current = Path(layer)
        for part in parts:
            current = current / part
            try:
                status = current.lstat()
            except (FileNotFoundError, NotADirectoryError):
                break
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return
            if not stat.S_ISDIR(status.st_mode) and current != Path(layer, *parts):
                return
            hidden = hidden or (stat.S_ISDIR(status.st_mode) and _is_opaque(current))
        else:
            yield current
        if hidden:
            return


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False
