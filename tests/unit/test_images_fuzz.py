"""Whatever strangers send, archives and documents are taken or refused in words: parsers never fail otherwise."""

import contextlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.errors import HoldError, Invalid
from controller.images.catalog import make_entry as make_catalog_entry
from controller.images.documents import derive_digest, parse_config, parse_manifest
from controller.kernel.unpack.entry import parse_number
from controller.kernel.unpack.extract import DEEPEST_LAYER, check_name
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.tar import TarReader, parse_records, parse_time
from controller.kernel.unpack.window import Window
from tests.kernel.image_builder import make_entry, pack

CORPUS_PATH = Path(__file__).parents[1] / "corpus"
TAR_SEEDS = [
    pack([make_entry("a/b", b"content"), make_entry("c", type=tarfile.SYMTYPE, linkname="a")]),
    pack([make_entry("x" * 300, b"1"), make_entry("y", type=tarfile.LNKTYPE, linkname="z" * 300)]),
    pack([make_entry("x" * 300, b"1")], dialect=tarfile.GNU_FORMAT),
    pack([make_entry("x", b"1", mtime=1.5, pax_headers={"SCHILY.xattr.user.a": "b"})]),
]
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": "sha256:" + "0" * 64,
        "size": 2,
    },
    "layers": [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "1" * 64, "size": 3}
    ],
    "annotations": {"a": "b"},
}
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00.123456789Z",
    "config": {
        "Env": ["A=b"],
        "Cmd": ["x"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1_000_000_000},
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "2" * 64]},
    "history": [{"created_by": "x"}],
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def list_corpus(kind: str) -> list[Path]:
    """Return what broke a parser once, or was made to."""
    return sorted((CORPUS_PATH / kind).iterdir())


def read_archive(content: bytes, block: int = 700) -> int:
    """Read an archive as the unpacker does, without making anything; returns the number of entries."""
    blocks = iter([content[at : at + block] for at in range(0, len(content), block)])
    window = Window(blocks)
    count = 0
    for entry in TarReader(window):
        check_name(entry.name, entry, DEEPEST_LAYER)
        window.skip(entry.stored)
        count += 1
    return count


def spoil(seed: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    """Return bytes with some of them changed, and the end cut off."""
    spoiled = bytearray(seed)
    for place, value in changes:
        spoiled[place % len(spoiled)] = value
    return bytes(spoiled[: len(spoiled) - cut % len(spoiled)])


def mend(content: bytes) -> bytes:
    """Return an archive whose first header has a right sum, so that more than the sum is looked at."""
    header = bytearray(content[:512].ljust(512, b"\0"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content[512:]


def accept_or_refuse(parse: Callable[[bytes], object], content: bytes) -> None:
    """Parse; any other error than a refusal fails the test."""
    with contextlib.suppress(Hostile, HoldError):
        parse(content)


@pytest.mark.parametrize("seed", TAR_SEEDS)
def test_seeds_are_read(seed: bytes) -> None:
    assert read_archive(seed) in (1, 2)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TAR_SEEDS),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12),
    st.integers(0, 3000),
)
def test_spoiled_archives(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    content = spoil(seed, changes, cut)
    accept_or_refuse(read_archive, content)
    accept_or_refuse(read_archive, mend(content))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
@example(b"\0" * 512)
def test_archives_of_anything(content: bytes) -> None:
    accept_or_refuse(read_archive, content)
    accept_or_refuse(read_archive, mend(content))


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=12), st.binary(max_size=60))
@example(b"0_1", b"20 mtime=1")
@example(b"+1", b"9999999999999999999 a=b\n")
def test_fields_of_anything(number: bytes, records: bytes) -> None:
    accept_or_refuse(parse_number, number)
    accept_or_refuse(parse_records, records)
    accept_or_refuse(parse_records, b"%d %b\n" % (len(records) + 4, records))
    accept_or_refuse(parse_time, records)


@pytest.mark.parametrize("path", list_corpus("tar"), ids=lambda path: path.name)
def test_corpus_of_archives(path: Path) -> None:
    with pytest.raises(Hostile):
        read_archive(path.read_bytes())


@pytest.mark.parametrize("path", list_corpus("manifest"), ids=lambda path: path.name)
def test_corpus_of_manifests(path: Path) -> None:
    with pytest.raises(Invalid):
        parse_manifest(path.read_bytes())


@pytest.mark.parametrize("path", list_corpus("config"), ids=lambda path: path.name)
def test_corpus_of_configurations(path: Path) -> None:
    with pytest.raises(Invalid):
        parse_config(path.read_bytes())


def list_places(document: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a document."""
    yield place
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield from list_places(value, (*place, key))


def replace(document: object, place: tuple[str | int, ...], value: object) -> object:
    """Return a document with another value at a place."""
    if not place:
        return value
    first, *rest = place
    if isinstance(document, dict):
        return {**document, first: replace(document[first], tuple(rest), value)}
    assert isinstance(document, list)
    return [
        replace(each, tuple(rest), value) if index == first else each for index, each in enumerate(document)
    ]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_documents_with_something_else_in_them(data: st.DataObject) -> None:
    document, parse = data.draw(st.sampled_from([(MANIFEST, parse_manifest), (CONFIG, parse_config)]))
    place = data.draw(st.sampled_from(sorted(list_places(document), key=repr)))
    accept_or_refuse(parse, json.dumps(replace(document, place, data.draw(json_values))).encode())


@settings(max_examples=200)
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
def test_documents_of_anything(content: bytes) -> None:
    accept_or_refuse(parse_manifest, content)
    accept_or_refuse(parse_config, content)


def test_documents_that_do_not_fit() -> None:
    config = json.dumps(CONFIG).encode()
    manifest = {
        **MANIFEST,
        "config": {**MANIFEST["config"], "digest": derive_digest(config), "size": len(config)},
    }
    assert make_catalog_entry({"sha256:x": json.dumps(manifest).encode()}, config, 1).facts.size_bytes == 1
    for wrong in ({**manifest, "config": MANIFEST["config"]}, {**manifest, "layers": manifest["layers"] * 2}):
        with pytest.raises(Invalid, match=r"speaks of|layers"):
            make_catalog_entry({"sha256:x": json.dumps(wrong).encode()}, config, 1)


def test_a_document_of_100_mb_is_not_even_read() -> None:
    with pytest.raises(Invalid, match="larger than any image needs"):
        parse_manifest(b" " * (100 << 20))
