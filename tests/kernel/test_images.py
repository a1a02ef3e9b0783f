"""Archives become images, and hostile ones nothing: each attack by its name."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.errors import HoldError, Invalid, NotFound
from controller.images.store import ImageStore
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker
from controller.model.image import ImageConfig
from controller.model.layout import Layout
from tests.kernel.image_builder import LIMITS
from tests.kernel.image_trees import assert_same, describe_tree

Fill = Callable[[tarfile.TarFile], None]


def _layout(tmp_path: Path) -> Layout:
    return Layout(root_path=f"{tmp_path}/root", run_path=f"{tmp_path}/run", instance="test")


async def _open(tmp_path: Path) -> ImageStore:
    unpacker = ChrootUnpacker(runner=Runner(), limits=LIMITS)
    store = ImageStore(layout=_layout(tmp_path), unpacker=unpacker, boot_id="this")
    await store.open()
    return store


def _add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def _pack(path: Path, fill: Fill, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        fill(archive)
    return path


def _plain(archive: tarfile.TarFile) -> None:
    _add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\n", uid=5, gid=6, mtime=1000)
    _add(archive, "bin/tool", b"#!", mode=0o4755)
    _add(archive, "bin/link", type=tarfile.SYMTYPE, linkname="/bin/tool")
    _add(archive, "bin/hard", type=tarfile.LNKTYPE, linkname="bin/tool")
    _add(archive, "run/fifo", type=tarfile.FIFOTYPE)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
async def test_an_archive_becomes_an_image_with_everything_kept(tmp_path: Path, mode: str) -> None:
    store = await _open(tmp_path)
    config = ImageConfig(command=("tool",), environment={"A": "b"})
    facts = await store.import_archive(str(_pack(tmp_path / "a.tar", _plain, mode)), config, name="a:1")
    layer = Path(_layout(tmp_path).layer_path(facts.layers[0]))
    passwd = (layer / "etc/passwd").stat()
    assert (passwd.st_uid, passwd.st_gid, int(passwd.st_mtime)) == (5, 6, 1000)
    assert (layer / "bin/tool").stat().st_mode & 0o7777 == 0o4755
    assert (layer / "bin/link").readlink() == Path("/bin/tool")
    assert (layer / "bin/hard").samefile(layer / "bin/tool")
    assert (layer / "run/fifo").is_fifo()
    again = await _open(tmp_path)
    assert await again.find(facts.manifest_digest) == facts
    await again.delete(facts.id, keep=frozenset())
    assert not layer.exists()
    assert await (await _open(tmp_path)).list() == ()


async def test_a_layer_that_is_needed_stays(tmp_path: Path) -> None:
    store = await _open(tmp_path)
    facts = await store.import_archive(str(_pack(tmp_path / "a.tar", _plain)), ImageConfig(), name="a:1")
    await store.delete(facts.id, keep=frozenset(facts.layers))
    assert Path(_layout(tmp_path).layer_path(facts.layers[0])).is_dir()


def _climb(archive: tarfile.TarFile) -> None:
    _add(archive, "../../outside", b"x")


def _absolute(archive: tarfile.TarFile) -> None:
    _add(archive, "/outside", b"x")


def _through_link(archive: tarfile.TarFile) -> None:
    _add(archive, "door", type=tarfile.SYMTYPE, linkname="/tmp")
    _add(archive, "door/outside", b"x")


def _hard_link_out(archive: tarfile.TarFile) -> None:
    _add(archive, "outside", type=tarfile.LNKTYPE, linkname="../../../etc/passwd")


def _huge(archive: tarfile.TarFile) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 62
    archive.addfile(info)


@pytest.mark.parametrize(
    "fill", [_climb, _absolute, _through_link, _hard_link_out, _huge], ids=lambda fill: fill.__name__
)
async def test_nothing_is_written_outside(tmp_path: Path, fill: Fill) -> None:
    store = await _open(tmp_path)
    outside = [Path("/outside"), Path("/tmp/outside"), tmp_path / "outside"]

    def fill_both(archive: tarfile.TarFile) -> None:
        _plain(archive)
        fill(archive)

    path = _pack(tmp_path / "hostile.tar", fill_both)
    try:
        await store.import_archive(str(path), ImageConfig(), name="a:1")
    except HoldError as error:
        refusal = error.message
    else:
        refusal = ""
    assert [each for each in outside if each.exists()] == []
    assert bool(refusal) == (fill in (_climb, _hard_link_out, _huge))
    if refusal:
        assert await store.list() == ()
    assert list((tmp_path / "root/images/layers").glob(".partial-*")) == []


def _cut(data: bytes) -> bytes:
    return data[: tarfile.BLOCKSIZE * 3]


def _spoil(data: bytes) -> bytes:
    place = tarfile.BLOCKSIZE * 2
    return data[:place] + b"\xff" * 100 + data[place + 100 :]


@pytest.mark.parametrize("damage", [_cut, _spoil, lambda data: data[:700], lambda _: b"no archive"])
async def test_a_damaged_archive_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = _pack(tmp_path / "a.tar", _plain)
    path.write_bytes(damage(path.read_bytes()))
    store = await _open(tmp_path)
    with pytest.raises(Invalid, match=r"a\.tar"):
        await store.import_archive(str(path), ImageConfig(), name="a:1")
    assert await store.list() == ()


async def test_zeros_become_holes(tmp_path: Path) -> None:
    path = _pack(tmp_path / "a.tar.xz", lambda archive: _add(archive, "zeros", bytes(1 << 20)), "w:xz")
    store = await _open(tmp_path)
    facts = await store.import_archive(str(path), ImageConfig(), name="a:1")
    assert facts.size_bytes == 1 << 20
    assert Path(_layout(tmp_path).layer_path(facts.layers[0]), "zeros").stat().st_blocks < 100


async def test_a_broken_record_is_no_image_and_no_end(tmp_path: Path) -> None:
    store = await _open(tmp_path)
    await store.import_archive(str(_pack(tmp_path / "a.tar", _plain)), ImageConfig(), name="a:1")
    for record in (tmp_path / "root/images/catalog").iterdir():
        record.write_bytes(b"\xff\x00")
    assert await (await _open(tmp_path)).list() == ()


async def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    store = await _open(tmp_path)
    with pytest.raises(NotFound, match="gone"):
        await store.import_archive(f"{tmp_path}/gone", ImageConfig(), name="a:1")
    with pytest.raises(NotFound, match="gone"):
        await store.import_directory(f"{tmp_path}/gone", ImageConfig())


async def test_a_directory_is_copied_with_everything(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin/ping").write_bytes(b"#!")
    capability = bytes([1, 0, 0, 2, 0, 32]) + bytes(14)
    os.setxattr(source / "bin/ping", "security.capability", capability)
    os.setxattr(source / "bin", "user.note", b"kept")
    (source / "bin/hard").hardlink_to(source / "bin/ping")
    (source / "bin/link").symlink_to("/nowhere")
    os.mkfifo(source / "pipe")
    os.chown(source / "pipe", 5, 6)
    (source / "bin").chmod(0o2775)
    os.utime(source / "bin/ping", ns=(1, 1_234_567_890_123_456_789))
    store = await _open(tmp_path)
    facts = await store.import_directory(str(source), ImageConfig())
    assert_same(describe_tree(Path(_layout(tmp_path).layer_path(facts.layers[0]))), describe_tree(source))
    assert [path async for path in store.read_blob(facts.layers[0])]
