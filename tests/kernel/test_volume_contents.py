"""What is in volumes goes out, comes in and is copied, whole or not at all."""

import contextlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import Conflict, Exhausted, NotFound, Refused, Unavailable
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import RootWant, VolumeMount, VolumeWant
from tests.kernel.volume_adapters import open_contents, open_volumes, pack, pieces, place
from tests.kernel.volume_trees import describe, fill

DATA, OTHER = Uid("a" * 32), Uid("b" * 32)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root_path=str(tmp_path / "root"), run_path=str(tmp_path / "run"), instance="contents")


@pytest.fixture
def volumes(layout: Layout) -> LocalVolumes:
    return open_volumes(layout)


@pytest.fixture
def contents(layout: Layout) -> VolumeFiles:
    return open_contents(layout)


async def read(contents: VolumeFiles, volume: Uid) -> bytes:
    async with contents.reading(VolumeWant(uid=volume)) as archive:
        return b"".join([chunk async for chunk in archive])


def run(*command: str, stdin: bytes = b"") -> bytes:
    """Run a program that has to succeed and return what it printed."""
    return subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE).stdout


def list_beside(layout: Layout, volume: Uid) -> list[str]:
    """Return what lies in the volume's own directory."""
    return sorted(path.name for path in place(layout, volume).parent.iterdir())


async def test_everything_survives_the_way_out_and_in(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    for volume in (DATA, OTHER):
        await volumes.ensure(volume)
    fill(place(layout, DATA))
    before = describe(place(layout, DATA))
    archive = await read(contents, DATA)
    assert len(archive) < 1 << 17
    await contents.restore(VolumeWant(uid=OTHER), pieces(archive), force=False)
    assert describe(place(layout, OTHER)) == before
    assert (place(layout, OTHER) / "sparse").stat().st_blocks < 100
    assert list_beside(layout, OTHER) == ["_data"]


async def test_other_programs_understand_the_archive(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles, tmp_path: Path
) -> None:
    await volumes.ensure(DATA)
    fill(place(layout, DATA))
    (tmp_path / "out").mkdir()
    unpack = [
        "tar",
        "-x",
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "-p",
        "-C",
        str(tmp_path / "out"),
    ]
    run(*unpack, stdin=await read(contents, DATA))
    assert describe(tmp_path / "out") == describe(place(layout, DATA))
    packed = run("tar", "-c", "-z", "-C", str(tmp_path / "out"), "deep")
    await contents.restore(VolumeWant(uid=DATA), pieces(packed), force=True)
    assert [path.name for path in place(layout, DATA).iterdir()] == ["deep"]


async def test_a_copy_is_a_volume_once_it_is_whole(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    with pytest.raises(NotFound):
        await contents.copy(OTHER, VolumeWant(uid=DATA))
    assert await volumes.list() == ()
    await volumes.ensure(DATA)
    fill(place(layout, DATA))
    await contents.copy(OTHER, VolumeWant(uid=DATA))
    assert describe(place(layout, OTHER)) == describe(place(layout, DATA))
    assert list_beside(layout, OTHER) == ["_data"]
    (place(layout, DATA) / "new").touch()
    await contents.copy(OTHER, VolumeWant(uid=DATA))
    assert not (place(layout, OTHER) / "new").exists()
    with pytest.raises(
        Conflict, match=r"it has \.wh\.deep, deep, fifo and \d more: replace all of it by --force"
    ):
        await contents.revert(VolumeWant(uid=DATA), VolumeWant(uid=OTHER), force=False)
    await contents.revert(VolumeWant(uid=DATA), VolumeWant(uid=OTHER), force=True)
    assert describe(place(layout, DATA)) == describe(place(layout, OTHER))


async def test_an_image_fills_a_volume_with_everything(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles, tmp_path: Path
) -> None:
    (tmp_path / "layer/srv").mkdir(parents=True)
    fill(tmp_path / "layer/srv")
    await volumes.ensure(DATA)
    root = RootWant(uid=OTHER, lower_paths=(str(tmp_path / "layer"),))
    await contents.prefill(VolumeWant(uid=DATA), root, "/srv")
    assert describe(place(layout, DATA)) == describe(tmp_path / "layer/srv")
    assert (place(layout, DATA) / "sparse").stat().st_blocks < 100


async def test_who_reads_is_not_disturbed(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    await volumes.ensure(DATA)
    fill(place(layout, DATA))
    async with contents.reading(VolumeWant(uid=DATA)) as archive:
        with pytest.raises(Unavailable, match="is being copied: try again"):
            await contents.restore(VolumeWant(uid=DATA), pieces(b""), force=True)
        assert [chunk async for chunk in archive]


async def test_a_reader_that_leaves_is_nothing(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    await volumes.ensure(DATA)
    (place(layout, DATA) / "big").write_bytes(os.urandom(8 << 20))
    async with contents.reading(VolumeWant(uid=DATA)) as archive:
        assert await anext(archive)
    await contents.restore(VolumeWant(uid=DATA), pieces(pack(("new", ""))), force=True)
    assert [path.name for path in place(layout, DATA).iterdir()] == ["new"]


def _break_off(directory: Path, stage: str) -> None:
    """Leave what a daemon leaves that is killed while it replaces `old` by `new` and `more`."""
    data = directory / "_data"
    if stage == "growing":
        (directory / "_copy-x").mkdir()
        (directory / "_copy-x/new").touch()
        return
    whole = directory / ("_restored" if stage in ("whole", "clearing") else "_filled")
    whole.mkdir(mode=0o750)
    for name in ("new", "more"):
        (whole / name).touch()
    if stage != "whole":
        (data / "old").unlink()
    if stage == "moving":
        (whole / "new").rename(data / "new")


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("growing", ["old"]),
        ("whole", ["more", "new"]),
        ("clearing", ["more", "new"]),
        ("cleared", ["more", "new"]),
        ("moving", ["more", "new"]),
    ],
)
@pytest.mark.parametrize("by_opening", [True, False])
async def test_a_daemon_killed_at_any_point(
    layout: Layout,
    volumes: LocalVolumes,
    contents: VolumeFiles,
    stage: str,
    names: list[str],
    *,
    by_opening: bool,
) -> None:
    await volumes.ensure(DATA)
    (place(layout, DATA) / "old").touch()
    _break_off(place(layout, DATA).parent, stage)
    if by_opening:
        await volumes.open()
    else:
        with pytest.raises(Conflict):
            await contents.restore(VolumeWant(uid=DATA), pieces(b""), force=False)
    assert sorted(path.name for path in place(layout, DATA).iterdir()) == names
    assert list_beside(layout, DATA) == ["_data"]


@pytest.fixture
def small_disk(layout: Layout) -> Iterator[Path]:
    """A disk of four megabytes below the volumes."""
    path = Path(layout.root_path)
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


async def test_deep_trees_survive_the_way_out_and_in(
    small_disk: Path, layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    """As deep as a path has room for; one that makes way for a file goes with all in it."""
    del small_disk
    for volume in (DATA, OTHER):
        await volumes.ensure(volume)
    names = ["d"] * 1050
    run("mkdir", "-p", str(place(layout, DATA).joinpath(*names)))
    archive = await read(contents, DATA)
    await contents.restore(VolumeWant(uid=OTHER), pieces(archive, 1 << 16), force=False)
    assert place(layout, OTHER).joinpath(*names).is_dir()
    joined = archive.rstrip(b"\0") + bytes(-len(archive.rstrip(b"\0")) % 512) + pack(("d", ""))
    await contents.restore(VolumeWant(uid=OTHER), pieces(joined, 1 << 16), force=True)
    assert (place(layout, OTHER) / "d").is_file()


async def test_a_full_disk_changes_nothing(
    small_disk: Path, layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    del small_disk
    await volumes.ensure(DATA)
    (place(layout, DATA) / "half").write_bytes(os.urandom(2 << 20))
    archive = await read(contents, DATA)
    (place(layout, DATA) / "more").write_bytes(os.urandom(1 << 20))
    with pytest.raises(Exhausted):
        await contents.restore(VolumeWant(uid=DATA), pieces(archive), force=True)
    with pytest.raises(Exhausted):
        await contents.copy(OTHER, VolumeWant(uid=DATA))
    assert sorted(path.name for path in place(layout, DATA).iterdir()) == ["half", "more"]
    assert list_beside(layout, DATA) == ["_data"]
    await volumes.open()
    assert [facts.uid for facts in await volumes.list()] == [DATA]


async def test_what_is_mounted_is_filled_inside(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    """The contents of a volume with options lie on another file system, where a copy has to grow as well."""
    shared = place(layout, OTHER).parent.parent / "shared"
    shared.mkdir(parents=True)
    mount = VolumeMount(kind="none", device=str(shared), options=("bind",))
    want = VolumeWant(uid=DATA, mount=mount)
    await volumes.ensure(DATA)
    (shared / ".hold-copy-x").mkdir()
    (shared / "lost+found").mkdir()
    await contents.restore(want, pieces(pack(("new", ""))), force=False)
    assert sorted(path.name for path in shared.iterdir()) == ["lost+found", "new"]
    assert list(place(layout, DATA).iterdir()) == []
    async with contents.reading(want) as archive:
        packed = b"".join([chunk async for chunk in archive])
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        names = opened.getnames()
    assert names == [".", "./lost+found", "./new"]
    facts = await volumes.read(DATA)
    assert facts is not None
    assert not facts.mounted
    await volumes.delete(DATA)
    assert (shared / "new").exists()


async def test_names_that_mean_something_elsewhere_are_content_of_a_plain_volume(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles
) -> None:
    await volumes.ensure(DATA)
    for name in ("lost+found", ".hold-filled", "_restored"):
        (place(layout, DATA) / name).mkdir()
    with pytest.raises(Conflict, match=r"it has \.hold-filled, _restored, lost\+found: replace"):
        await contents.restore(VolumeWant(uid=DATA), pieces(pack(("new", ""))), force=False)
    await contents.restore(VolumeWant(uid=DATA), pieces(pack(("new", ""))), force=True)
    assert [path.name for path in place(layout, DATA).iterdir()] == ["new"]


@contextlib.contextmanager
def bound(source_path: Path, target_path: Path) -> Iterator[None]:
    """Mount a directory a second time, as somebody does behind hold's back."""
    subprocess.run(["mount", "--bind", source_path, target_path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target_path], check=True)


async def test_what_others_have_mounted_inside_is_not_emptied(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles, tmp_path: Path
) -> None:
    await volumes.ensure(DATA)
    inside_path, kept_path = place(layout, DATA) / "deep/inside", tmp_path / "disk/kept"
    for path in (inside_path, kept_path):
        path.mkdir(parents=True)
    words = f"is mounted inside the volume, at {inside_path}, .* unmount it"
    with bound(tmp_path / "disk", inside_path):
        for _ in range(2):
            with pytest.raises(Refused, match=words):
                await contents.restore(VolumeWant(uid=DATA), pieces(pack(("new", ""))), force=True)
            if list_beside(layout, DATA) == ["_data"]:
                _break_off(place(layout, DATA).parent, "whole")
            await volumes.open()
        with pytest.raises(Refused, match=words):
            await volumes.delete(DATA)
        assert kept_path.is_dir()
    await volumes.open()
    assert sorted(path.name for path in place(layout, DATA).iterdir()) == ["more", "new"]
    await volumes.delete(DATA)
    assert kept_path.is_dir()


@contextlib.contextmanager
def swapped(directory: Path) -> Iterator[None]:
    """Put a link in the place of a directory and back, again and again."""
    script = "while mv -T dir spare; mv -T link dir; mv -T dir link; do mv -T spare dir; done"
    swapping = subprocess.Popen(["sh", "-c", script], cwd=directory, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        swapping.kill()
        swapping.wait()


async def test_what_is_read_leaves_the_volume_by_no_link(
    layout: Layout, volumes: LocalVolumes, contents: VolumeFiles, tmp_path: Path
) -> None:
    """All is copied and packed live, while somebody swaps a directory for a link to one of the host."""
    (tmp_path / "host").mkdir()
    await volumes.ensure(DATA)
    data_path = place(layout, DATA)
    (data_path / "dir").mkdir()
    (data_path / "link").symlink_to(tmp_path / "host")
    for number in range(50):
        (tmp_path / f"host/secret{number}").touch()
        (data_path / f"dir/own{number}").touch()
    with swapped(data_path):
        for number in range(5):
            copy = Uid(f"{number:032x}")
            with contextlib.suppress(Refused):  # of what has just gone
                await contents.copy(copy, VolumeWant(uid=DATA))
            assert list(place(layout, copy).rglob("secret*")) == []
            with contextlib.suppress(Refused):
                assert b"secret" not in await read(contents, DATA)
