"""Hostile layers: each attack by its name. They are refused, or can do nothing outside of their own directory."""

import gzip
import os
import stat
import struct
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.errors import HoldError, Invalid
from controller.images.descriptors import Descriptor
from controller.images.documents import derive_digest
from controller.images.store import ImageStore
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from tests.kernel.image_builder import (
    BuiltLayer,
    in_pieces,
    make_entry,
    make_layer,
    make_layout,
    open_store,
    pack,
)

BAIT = Path("/run/hold-attack")
"""A place that attacks aim at: in a test host /run is the test's own."""


@pytest.fixture
async def store(tmp_path: Path) -> ImageStore:
    """An empty store."""
    BAIT.mkdir(exist_ok=True)
    (BAIT / "victim").write_text("safe")
    return await open_store(tmp_path)


async def put(store: ImageStore, layer: BuiltLayer) -> Path:
    """Take in a layer as a pull does; returns where it lies."""
    with store.lease():
        chunks = in_pieces(layer.content, 100_000)
        await store.layers.put(layer.descriptor, diff_id=layer.diff_id, chain_id=layer.diff_id, chunks=chunks)
    return Path(store.layers.path(layer.diff_id))


async def refuse(store: ImageStore, plain: bytes, reason: str, *, suffix: str = "+gzip") -> None:
    """Assert that a layer is refused for the reason and leaves nothing behind."""
    with pytest.raises(Invalid, match=reason):
        await put(store, make_layer(plain, suffix=suffix))
    assert_untouched(store)
    assert store.layers.list() == ()
    assert store.blobs.list() == ()


def assert_untouched(store: ImageStore) -> None:
    """Assert that nothing happened outside."""
    assert (BAIT / "victim").read_text() == "safe"
    assert sorted(path.name for path in BAIT.iterdir()) == ["victim"]
    assert stat.S_IMODE(BAIT.stat().st_mode) == 0o755
    assert list(store.blobs.directory.parent.glob("layers/.partial-*")) == []


async def test_path_traversal(store: ImageStore) -> None:
    for name in ("../evil", "a/../../evil", f"../../../../..{BAIT}/evil", "a/..", ".."):
        await refuse(store, pack([make_entry(name, b"x")]), "climbs out")


async def test_absolute_names_stay_inside(store: ImageStore) -> None:
    layer = await put(
        store, make_layer(pack([make_entry(f"{BAIT}/evil", b"x"), make_entry("//etc//x", b"y")]))
    )
    assert (layer / "run/hold-attack/evil").read_bytes() == b"x"
    assert (layer / "etc/x").read_bytes() == b"y"
    assert_untouched(store)


async def test_symbolic_link_out(store: ImageStore) -> None:
    entries = [
        make_entry("door", type=tarfile.SYMTYPE, linkname=str(BAIT)),
        make_entry("door/evil", b"x"),
        make_entry("up", type=tarfile.SYMTYPE, linkname="../../../../../../.." + str(BAIT)),
        make_entry("up/evil2", b"x"),
        make_entry("file", type=tarfile.SYMTYPE, linkname=f"{BAIT}/victim"),
        make_entry("file", b"overwritten"),
        make_entry("door", type=tarfile.DIRTYPE, mode=0o777),
    ]
    layer = await put(store, make_layer(pack(entries)))
    assert (layer / "file").read_bytes() == b"overwritten"
    assert not (layer / "file").is_symlink()
    assert_untouched(store)


async def test_link_swapped_between_entries(store: ImageStore) -> None:
    entries = [
        make_entry("etc", type=tarfile.DIRTYPE, mode=0o755),
        make_entry("etc/passwd", b"1"),
        make_entry("etc", type=tarfile.SYMTYPE, linkname=str(BAIT)),
        make_entry("etc/evil", b"x"),
        make_entry("etc/victim", b"x"),
    ]
    layer = await put(store, make_layer(pack(entries)))
    assert sorted(path.name for path in (layer / "etc").iterdir()) == ["evil", "victim"]
    assert_untouched(store)


async def test_hard_link_out(store: ImageStore) -> None:
    for target in (f"../../../../../..{BAIT}/victim", "../victim"):
        entries = [make_entry("link", type=tarfile.LNKTYPE, linkname=target), make_entry("link", b"x")]
        await refuse(store, pack(entries), "climbs out")
    for target in (f"{BAIT}/victim", "missing", "link", "."):
        await refuse(store, pack([make_entry("link", type=tarfile.LNKTYPE, linkname=target)]), "hard link")


async def test_hard_link_through_a_link_out(store: ImageStore) -> None:
    entries = [
        make_entry("door", type=tarfile.SYMTYPE, linkname=str(BAIT)),
        make_entry("link", type=tarfile.LNKTYPE, linkname="door/victim"),
    ]
    await refuse(store, pack(entries), "no file of the same archive")


async def test_whiteout_of_the_parent(store: ImageStore) -> None:
    for name in (".wh...", "a/.wh...", ".wh..", "a/.wh."):
        await refuse(store, pack([make_entry("a/b", b"x"), make_entry(name)]), "removes the directory")


async def test_whiteout_through_a_link_out(store: ImageStore) -> None:
    entries = [
        make_entry("door", type=tarfile.SYMTYPE, linkname=str(BAIT)),
        make_entry("door/.wh.victim"),
        make_entry("door/.wh..wh..opq"),
    ]
    await put(store, make_layer(pack(entries)))
    assert_untouched(store)


async def test_device_nodes_and_pipes_are_never_opened(store: ImageStore) -> None:
    disk: dict[str, Any] = {"type": tarfile.BLKTYPE, "devmajor": 7, "devminor": 200}
    entries = [
        make_entry("disk", **disk),
        make_entry("disk", b"over it"),
        make_entry("pipe", type=tarfile.FIFOTYPE),
        make_entry("pipe", b"into it"),
        make_entry("real", **disk, mode=0o660),
        make_entry("alias", type=tarfile.SYMTYPE, linkname="real"),
        make_entry("alias", b"through it"),
    ]
    layer = await put(store, make_layer(pack(entries)))
    assert [(layer / name).read_bytes() for name in ("disk", "pipe", "alias")] == [
        b"over it",
        b"into it",
        b"through it",
    ]
    assert (layer / "real").is_block_device()


async def test_set_id_programs_are_out_of_reach_of_users(store: ImageStore) -> None:
    layer = await put(store, make_layer(pack([make_entry("su", b"#!", mode=0o6755)])))
    assert stat.S_IMODE((layer / "su").stat().st_mode) == 0o6755
    assert stat.S_IMODE(layer.parent.stat().st_mode) == 0o700


async def test_marks_of_overlayfs_are_not_an_archives_to_set(store: ImageStore) -> None:
    headers = {
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.user.fine": "1",
    }
    entries = [make_entry("dir", type=tarfile.DIRTYPE, mode=0o755, pax_headers=headers)]
    layer = await put(store, make_layer(pack(entries)))
    assert os.listxattr(layer / "dir") == ["user.fine"]


async def test_very_long_names(store: ImageStore) -> None:
    for name in ("x" * 300, "/".join(["x" * 200] * 30)):
        for dialect in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            await refuse(store, pack([make_entry(name)], dialect=dialect), "too long")
    await refuse(store, pack([make_entry("x" * (2 << 20))]), "extended header of")
    await refuse(store, pack([make_entry("/".join("x" * 300))]), "deeper than 256")


async def test_names_with_zero_bytes(store: ImageStore) -> None:
    entry = make_entry("a", pax_headers={"path": "etc/passwd\0.txt"})
    await refuse(store, pack([entry]), "zero byte")


async def test_duplicate_entries(store: ImageStore) -> None:
    kinds = [
        make_entry("x", b"file"),
        make_entry("x", type=tarfile.DIRTYPE, mode=0o755),
        make_entry("x/y/z", b"inside"),
        make_entry("x", type=tarfile.SYMTYPE, linkname="elsewhere"),
        make_entry("x", type=tarfile.FIFOTYPE),
        make_entry("x/y", b"in a pipe"),
        make_entry("x", b"last"),
    ]
    layer = await put(store, make_layer(pack(kinds)))
    assert (layer / "x").read_bytes() == b"last"
    assert sorted(path.name for path in layer.iterdir()) == ["x"]


async def test_names_that_differ_by_case(store: ImageStore) -> None:
    entries = [make_entry("etc/Passwd", b"1"), make_entry("ETC/passwd", b"2"), make_entry("etc/passwd", b"3")]
    layer = await put(store, make_layer(pack(entries)))
    found = [(layer / name).read_bytes() for name in ("etc/Passwd", "ETC/passwd", "etc/passwd")]
    assert found == [b"1", b"2", b"3"]


async def test_huge_declared_sizes(store: ImageStore) -> None:
    for size in (1 << 62, 1 << 44):
        header = make_entry("huge")[0]
        header.size = size
        await refuse(store, header.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "layer-max-size")
    sparse = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(1 << 62),
        "GNU.sparse.name": "huge",
    }
    await refuse(store, pack([make_entry("x", b"0\n", pax_headers=sparse)]), r"no map|layer-max-size")


async def test_negative_sizes(store: ImageStore) -> None:
    header = bytearray(make_entry("x")[0].tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    await refuse(store, bytes(header) + bytes(1024), "negative")


@pytest.mark.parametrize("suffix", ["+gzip", "+zstd"])
async def test_bombs(tmp_path: Path, suffix: str) -> None:
    limits = UnpackLimits(most_bytes=1 << 20, most_entries=1000)
    store = ImageStore(
        layout=make_layout(tmp_path),
        unpacker=ChrootUnpacker(runner=Runner(), limits=limits),
        boot_id="this",
    )
    await store.open()
    many = pack([make_entry(str(index), bytes(100_000)) for index in range(100)])
    with pytest.raises(Invalid, match="layer-max-size"):
        await put(store, make_layer(many, suffix=suffix))
    assert store.layers.list() == ()


async def test_a_zstd_frame_that_asks_for_all_memory(store: ImageStore) -> None:
    header = struct.pack("<IBB", 0xFD2FB528, 0x00, 0xF8) + b"\x01\x00\x00"  # a window of 2 TiB
    content = header + bytes(100)
    layer = BuiltLayer(
        content=content,
        diff_id=derive_digest(b""),
        descriptor=Descriptor(
            media_type="application/vnd.oci.image.layer.v1.tar+zstd",
            digest=derive_digest(content),
            size_bytes=len(content),
        ),
    )
    with pytest.raises(Invalid, match=r"broken|memory"):
        await put(store, layer)


async def test_a_million_empty_files(store: ImageStore) -> None:
    await refuse(store, pack([make_entry(f"{index}") for index in range(1001)]), "more than 1,000 entries")


async def test_wrong_digest(store: ImageStore) -> None:
    layer = make_layer(pack([make_entry("x", b"y")]), suffix="")
    other = layer.content.replace(b"y", b"z", 1)
    with pytest.raises(Invalid, match="its digest is"):
        await put(store, BuiltLayer(content=other, diff_id=layer.diff_id, descriptor=layer.descriptor))
    assert store.blobs.list() == ()


async def test_wrong_size_and_truncated_stream(store: ImageStore) -> None:
    layer = make_layer(pack([make_entry("x", os.urandom(300_000))]))
    for content, reason in (
        (layer.content + b"\0", "longer than"),
        (layer.content[:-1], "cut off"),
        (layer.content[: len(layer.content) // 2], "cut off"),
        (layer.content[:5], "cut off|broken"),
        (b"", "cut off|no tar"),
    ):
        with pytest.raises(Invalid, match=reason):
            await put(store, BuiltLayer(content=content, diff_id=layer.diff_id, descriptor=layer.descriptor))
    assert store.layers.list() == ()


async def test_wrong_diff_id(store: ImageStore) -> None:
    layer = make_layer(pack([make_entry("x", b"y")]))
    with pytest.raises(Invalid, match="unpacks to"):
        await put(
            store, BuiltLayer(content=layer.content, diff_id=derive_digest(b""), descriptor=layer.descriptor)
        )
    assert store.layers.list() == ()


async def test_wrong_types(store: ImageStore) -> None:
    layer = make_layer(pack([make_entry("x", b"y")]))
    script = Descriptor(
        media_type="text/html", digest=layer.descriptor.digest, size_bytes=layer.descriptor.size_bytes
    )
    with pytest.raises(Invalid, match="text/html"):
        await put(store, BuiltLayer(content=layer.content, diff_id=layer.diff_id, descriptor=script))
    with pytest.raises(Invalid, match="not a digest"):
        await put(store, BuiltLayer(content=b"", diff_id="sha256:../../x", descriptor=layer.descriptor))
    unknown = make_entry("x")[0]
    unknown.type = b"Z"
    await refuse(store, unknown.tobuf(tarfile.GNU_FORMAT) + bytes(1024), "unknown type")


async def test_a_sender_that_fails_leaves_nothing(store: ImageStore) -> None:
    layer = make_layer(pack([make_entry("x", os.urandom(3_000_000))]))

    async def fail() -> AsyncIterator[bytes]:
        yield layer.content[:2_000_000]
        raise HoldError("the line broke")

    with pytest.raises(HoldError, match="the line broke"), store.lease():
        await store.layers.put(layer.descriptor, diff_id=layer.diff_id, chain_id=layer.diff_id, chunks=fail())
    assert_untouched(store)
    assert store.blobs.list() == ()
    assert (await put(store, layer)).is_dir()


async def test_bytes_behind_a_packed_layer(store: ImageStore) -> None:
    plain = pack([make_entry("x", b"y")])
    content = gzip.compress(plain) + b"rest"
    layer = make_layer(plain)
    descriptor = Descriptor(
        media_type=layer.descriptor.media_type, digest=derive_digest(content), size_bytes=len(content)
    )
    with pytest.raises(Invalid, match="broken"):
        await put(store, BuiltLayer(content=content, diff_id=layer.diff_id, descriptor=descriptor))
