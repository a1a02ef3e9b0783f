"""What lies below a directory, in words that can be compared."""

import hashlib
import os
import stat
from pathlib import Path


def describe_tree(root_path: Path) -> dict[str, dict[str, object]]:
    """Return everything about each file below a directory, itself included, that an image can say.

    Files that are one and the same have the first of their names as `same`.
    """
    tree: dict[str, dict[str, object]] = {}
    firsts: dict[tuple[int, int], str] = {}
    for folder, directories, files in os.walk(os.fsencode(root_path)):
        for name in [b"", *sorted(directories), *sorted(files)]:
            path = b"%b/%b" % (folder, name) if name else folder
            shown = os.path.relpath(path, os.fsencode(root_path)).decode(errors="backslashreplace")
            if shown not in tree:
                tree[shown] = _describe(path, shown, firsts)
    return tree


def _describe(path: bytes, shown: str, firsts: dict[tuple[int, int], str]) -> dict[str, object]:
    status = os.lstat(path)
    found: dict[str, object] = {
        "kind": stat.S_IFMT(status.st_mode),
        "mode": oct(stat.S_IMODE(status.st_mode)),
        "owner": (status.st_uid, status.st_gid),
        "mtime_ns": status.st_mtime_ns,
        "xattrs": {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
        },
    }
    if not stat.S_ISDIR(status.st_mode):
        found["same"] = firsts.setdefault((status.st_dev, status.st_ino), shown)
    if stat.S_ISREG(status.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
        found["content"] = (len(content), hashlib.sha256(content).hexdigest())
    if stat.S_ISLNK(status.st_mode):
        found["target"] = Path(os.fsdecode(path)).readlink()
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        found["device"] = status.st_rdev
    return found


def assert_same(
    ours: dict[str, dict[str, object]],
    theirs: dict[str, dict[str, object]],
    *,
    but: frozenset[str] = frozenset(),
) -> None:
    """Assert that trees are the same, but for the facts named."""
    found = [each for each in list_differences(ours, theirs) if each[0] not in but]
    assert not found, "path, ours, theirs:\n" + "\n".join(map(repr, found))


def list_differences(
    ours: dict[str, dict[str, object]], theirs: dict[str, dict[str, object]]
) -> list[tuple[str, object, object]]:
    """Return path, our fact and theirs, for each that differs."""
    differences: list[tuple[str, object, object]] = [
        (path, path in ours, path in theirs) for path in sorted(ours.keys() ^ theirs.keys())
    ]
    for path in sorted(ours.keys() & theirs.keys()):
        for fact in sorted(ours[path].keys() | theirs[path].keys()):
            pair = (ours[path].get(fact), theirs[path].get(fact))
            if pair[0] != pair[1]:
                differences.append((f"{path}: {fact}", *pair))
    return differences
