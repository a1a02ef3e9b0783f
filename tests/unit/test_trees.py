"""Trees to archives, archives to trees: what is kept, what is refused, what is never followed."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.errors import HoldError, Invalid, Refused
from controller.trees.paths import located, open_descriptors, open_local_directory
from controller.trees.planter import Ground, Planter, Rules, open_below
from controller.trees.writer import TreeWriter

LONG_NAME = "n" * 120


def write_tree(path: Path, entry: str) -> bytes:
    """Return the archive of what is at a path."""
    sink, descriptors_fd = io.BytesIO(), open_descriptors()
    with located(str(path), open_local_directory, follow=False) as place:
        writer = TreeWriter(sink, descriptors_fd)
        writer.add(place.directory_fd, place.name, entry)
        writer.close()
    os.close(descriptors_fd)
    return sink.getvalue()


def plant_tree(archive: bytes, path: Path, name: str | None = None) -> int:
    """Unpack an archive below a directory, as the client does."""
    directory_fd, descriptors_fd = os.open(path, os.O_PATH), open_descriptors()
    ground = Ground(directory_fd, lambda inner: open_below(directory_fd, inner), descriptors_fd)
    planter = Planter(ground, Rules(name, owner=False))
    try:
        return planter.plant(io.BytesIO(archive))
    finally:
        planter.close()
        os.close(directory_fd)
        os.close(descriptors_fd)


def make_archive(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """Return an archive of the members, each file with the content."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, 0o755
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with one of each kind."""
    path = tmp_path / "source"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_bytes(b"content")
    (path / "file").chmod(0o640)
    (path / "sub" / LONG_NAME).write_bytes(b"x" * 3_000_000)
    os.link(path / "file", path / "sub/same")
    (path / "link").symlink_to("/nowhere/at/all")
    os.mkfifo(path / "pipe")
    (path / "sub").chmod(0o500)
    for each in (path / "file", path / "sub"):
        os.utime(each, (1_000_000, 1_000_000))
    return path


def test_a_tree_comes_out_of_its_archive_as_it_was(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    assert plant_tree(write_tree(tree, "source"), target, "copy") == 7
    copy = target / "copy"
    assert (copy / "file").read_bytes() == b"content"
    assert (copy / "sub" / LONG_NAME).read_bytes() == b"x" * 3_000_000
    assert (copy / "file").stat().st_ino == (copy / "sub/same").stat().st_ino
    assert (copy / "link").readlink() == Path("/nowhere/at/all")
    assert stat.S_ISFIFO((copy / "pipe").stat().st_mode)
    modes = {name: stat.S_IMODE((copy / name).stat().st_mode) for name in ("file", "sub")}
    assert modes == {"file": 0o640, "sub": 0o500}
    assert {(copy / name).stat().st_mtime for name in ("file", "sub")} == {1_000_000}


def test_other_programs_read_the_archive(tree: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(write_tree(tree, "s"))) as archive:
        names = archive.getnames()
    assert names == ["s", "s/file", "s/link", "s/pipe", "s/sub", f"s/sub/{LONG_NAME}", "s/sub/same"]


def test_what_is_there_is_replaced_but_never_a_directory_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc/passwd")
    plant_tree(make_archive(member("a"), content=b"new"), tmp_path)
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"
    (tmp_path / "d").mkdir()
    with pytest.raises(Invalid, match="'d': the directory d can't be replaced"):
        plant_tree(make_archive(member("d")), tmp_path)
    with pytest.raises(Invalid, match="'a': a is there and is no directory"):
        plant_tree(make_archive(member("a", tarfile.DIRTYPE)), tmp_path)


@pytest.mark.parametrize(
    ("members", "error", "told"),
    [
        ([member("../x")], Invalid, "climbs out"),
        ([member("a/../../x")], Invalid, "climbs out"),
        (
            [member("a", tarfile.SYMTYPE, "/"), member("a/x")],
            Refused,
            "a/x can't be written: not a directory",
        ),
        ([member("a", tarfile.SYMTYPE, ".."), member("a/x")], Refused, "a/x can't be written"),
        ([member("a", tarfile.LNKTYPE, "../secret")], Invalid, "climbs out"),
        (
            [member("a", tarfile.SYMTYPE, "../secret"), member("b", tarfile.LNKTYPE, "a/x")],
            Refused,
            "b can't",
        ),
        ([member("a", b"Z")], Invalid, "unknown type"),
    ],
)
def test_hostile_archives_write_nothing_outside(
    tmp_path: Path, members: list[tarfile.TarInfo], error: type[HoldError], told: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(error, match=told):
        plant_tree(make_archive(*members, content=b"x"), target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_archives_are_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plant_tree(pack(make_archive(member("a/b"), content=b"x")), tmp_path)
    assert (tmp_path / "a/b").read_bytes() == b"x"


@contextmanager
def acting_as_nobody() -> Iterator[None]:
    """Let root have no more rights than anybody else; others have none to lose."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "secret").touch(mode=0o000)
        with acting_as_nobody(), pytest.raises(Refused, match="s/secret can't be read: permission denied"):
            write_tree(path, "s")


def test_bottomless_trees_are_refused_both_ways(tmp_path: Path) -> None:
    directory_fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=directory_fd)
        below_fd = os.open("d", os.O_RDONLY, dir_fd=directory_fd)
        os.close(directory_fd)
        directory_fd = below_fd
    os.close(directory_fd)
    with pytest.raises(Refused, match="more than 250 directories"):
        write_tree(tmp_path / "d", "d")
    with pytest.raises(Refused, match="more than 250 directories"):
        plant_tree(make_archive(member("/".join("d" * 300))), tmp_path)


@pytest.mark.parametrize("spoil", [lambda data: data[:700], lambda _: b"no archive at all" * 100])
def test_what_is_no_archive_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid, match="the archive is none, or is broken"):
        plant_tree(spoil(make_archive(member("a"), content=b"x" * 2000)), tmp_path)


@pytest.mark.parametrize(
    ("path", "follow", "found"),
    [
        ("file", False, "file"),
        ("link", False, "link"),
        ("link", True, "file"),
        ("loop", False, "loop"),
        ("dirlink", False, "dirlink"),
        ("dirlink/", False, "dir"),
        ("dirlink/.", False, "dir"),
        ("dirlink/inner", False, "inner"),
        ("dangling", True, "missing"),
        ("dir/..", False, "."),
    ],
)
def test_a_path_leads_to_a_place(tmp_path: Path, path: str, follow: bool, found: str) -> None:
    (tmp_path / "dir").mkdir()
    for name in ("file", "dir/inner"):
        (tmp_path / name).touch()
    targets = {"link": "link2", "link2": "file", "dirlink": "dir", "dangling": "dir/missing", "loop": "loop"}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    with located(f"{tmp_path}/{path}", open_local_directory, follow=follow) as place:
        assert place.name == found
        assert (place.status is None) is (found == "missing")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with (
        pytest.raises(OSError, match="symbolic links"),
        located(f"{tmp_path}/loop", open_local_directory, follow=True),
    ):
        pass
