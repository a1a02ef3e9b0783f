"""Trees deeper than a path or the call stack goes, which any program can make, are measured and removed."""

import os
import tempfile
from pathlib import Path

import pytest

from controller.kernel.disk_usage import measure_tree
from controller.kernel.tree_removal import remove_tree

_DEPTH = 1200
_NAME = "deep"


@pytest.fixture
def deep_path() -> Path:
    """A directory in a directory, again and again, with a file of 5 bytes at the bottom; in memory, disks take long."""
    path = Path(tempfile.mkdtemp(prefix="deep-", dir="/dev/shm"))
    directory_fd = os.open(path, os.O_RDONLY)
    for _ in range(_DEPTH):
        os.mkdir(_NAME, dir_fd=directory_fd)
        inner_fd = os.open(_NAME, os.O_RDONLY, dir_fd=directory_fd)
        os.close(directory_fd)
        directory_fd = inner_fd
    file_fd = os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=directory_fd)
    os.write(file_fd, b"12345")
    os.close(file_fd)
    os.close(directory_fd)
    return path


def test_a_deep_tree_is_measured_and_removed(deep_path: Path) -> None:
    size = measure_tree(str(deep_path))
    assert size.content_bytes == 5
    remove_tree(deep_path)
    assert not deep_path.exists()
    assert measure_tree(str(deep_path)).content_bytes == 0


def test_no_link_is_followed(tmp_path: Path) -> None:
    kept_path, top_path = tmp_path / "kept", tmp_path / "top"
    (kept_path / "inner").mkdir(parents=True)
    (top_path / "a/b").mkdir(parents=True)
    for path in (top_path / "link", top_path / "a/link", top_path / "a/b/link"):
        path.symlink_to(kept_path)
    (top_path / "a/b/file").touch()
    remove_tree(top_path)
    assert (kept_path / "inner").is_dir()
    assert not top_path.exists()
    top_path.symlink_to(kept_path)
    with pytest.raises(NotADirectoryError):
        remove_tree(top_path)
    assert (kept_path / "inner").is_dir()
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "nothing")
