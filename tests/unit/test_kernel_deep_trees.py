"""Trees deeper than a path or the call stack goes, which any program can make, are measured and removed."""

import os
import tempfile
from pathlib import Path

import pytest

from controller.kernel.descents import Descent
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


def list_names(place: Descent) -> list[str]:
    with os.scandir(place.fd) as entries:
        return [entry.name for entry in entries]


def test_what_is_moved_meanwhile_leads_nowhere_else(tmp_path: Path) -> None:
    top_path = tmp_path / "outside/top"
    (top_path / "a/b/c").mkdir(parents=True)
    with Descent(top_path) as place:
        for name in ("a", "b", "c"):
            place.enter(name)
        (top_path / "a/b/c").rename(top_path / "c")
        assert (place.leave(), list_names(place)) == ("c", [])
        assert place.names == ["a", "b"]
        assert (place.leave(), list_names(place)) == ("b", ["b"])
        place.enter("b")
        (top_path / "a/b").rename(tmp_path / "outside/b")
        (top_path / "a").rename(tmp_path / "outside/a")
        with pytest.raises(OSError, match="moved meanwhile"):
            place.leave()
