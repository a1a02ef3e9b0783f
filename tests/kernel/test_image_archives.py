"""Image archives: what others write is loaded, what we write is loaded by them."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from controller.errors import Invalid, NotFound
from controller.images.documents import derive_digest
from controller.images.imports import read_file
from controller.images.store import ImageStore
from controller.model.archives import SavedImage
from controller.model.image import ImageConfig
from tests.kernel.image_builder import (
    BuiltImage,
    in_pieces,
    make_entry,
    make_image,
    make_layer,
    make_layout,
    open_store,
    pack,
    put_image,
    write_docker_archive,
)


def build(*, suffix: str = "+gzip") -> BuiltImage:
    """Return an image of two layers."""
    lower = make_layer(pack([make_entry("etc/one", b"1"), make_entry("etc/two", b"2")]), suffix=suffix)
    upper = make_layer(
        pack([make_entry("etc/.wh.one"), make_entry("bin/tool", b"#!", mode=0o755)]), suffix=suffix
    )
    return make_image(lower, upper)


async def save(store: ImageStore, path: Path, *images: SavedImage) -> Path:
    """Write an archive to a file."""
    with path.open("wb") as file:
        async for chunk in store.save(images):
            file.write(chunk)
    return path


@pytest.fixture
async def saved(tmp_path: Path) -> tuple[BuiltImage, Path]:
    """An image and the archive that we make of it."""
    image = build()
    store = await open_store(tmp_path / "first")
    await put_image(store, image)
    want = SavedImage(
        manifest_digest=derive_digest(image.manifest), names=("shop:1", "reg.local:5000/a/shop:2")
    )
    return image, await save(store, tmp_path / "image.tar", want)


async def test_what_we_save_we_load_unchanged(saved: tuple[BuiltImage, Path], tmp_path: Path) -> None:
    image, path = saved
    packed = tmp_path / "image.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    store = await open_store(tmp_path / "second")
    loaded, again = [(await store.load(read_file(archive)))[0] for archive in (path, packed)]
    assert loaded == again
    assert set(loaded.names) == {"shop:1", "reg.local:5000/a/shop:2"}
    assert loaded.facts.manifest_digest == derive_digest(image.manifest)
    assert loaded.facts.id == derive_digest(image.config)
    after = await open_store(tmp_path / "second", boot_id="another")
    assert await after.list() == (loaded.facts,)
    top = Path(make_layout(tmp_path / "second").layer_path(image.chain_ids[1]))
    assert (top / "etc/one").is_char_device()
    assert list((tmp_path / "second/root/images/uploads").iterdir()) == []


async def test_skopeo_reads_ours_and_we_read_skopeos(saved: tuple[BuiltImage, Path], tmp_path: Path) -> None:
    image, path = saved
    inspected = json.loads(skopeo("inspect", "--raw", f"oci-archive:{path}:1"))
    assert inspected == json.loads(image.manifest)
    assert json.loads(skopeo("inspect", "--config", f"docker-archive:{path}:shop:1"))["rootfs"]["diff_ids"]
    for target in (f"oci-archive:{tmp_path}/oci.tar:shop:3", f"docker-archive:{tmp_path}/docker.tar:shop:3"):
        skopeo("copy", f"oci-archive:{path}:1", target)
        store = await open_store(tmp_path / target.partition(":")[0])
        [loaded] = await store.load(read_file(Path(target.split(":")[1])))
        assert loaded.names == ("shop:3",)
        assert loaded.facts.id == derive_digest(image.config)


def skopeo(*arguments: str) -> str:
    """Run skopeo and return what it printed."""
    command = ["skopeo", "--insecure-policy", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_several_images_of_a_docker_archive(tmp_path: Path) -> None:
    first, second = build(suffix=""), make_image(make_layer(pack([make_entry("x", b"y")])), command="x")
    path = write_docker_archive(tmp_path / "a.tar", {"shop:1": first, "shop:2": second})
    store = await open_store(tmp_path)
    loaded = await store.load(read_file(path))
    assert [each.names for each in loaded] == [("shop:1",), ("shop:2",)]
    assert [each.facts.id for each in loaded] == [derive_digest(each.config) for each in (first, second)]
    both = [SavedImage(manifest_digest=each.facts.manifest_digest, names=each.names) for each in loaded]
    again = await (await open_store(tmp_path / "2")).load(
        read_file(await save(store, tmp_path / "b.tar", *both))
    )
    assert again == loaded


async def test_images_that_share_a_layer_share_its_file(tmp_path: Path) -> None:
    base = make_layer(pack([make_entry("x", b"y")]), suffix="")
    top = make_layer(pack([make_entry("z", b"y")]), suffix="")
    images = {"base:1": make_image(base), "shop:1": make_image(base, top), "odd:1": make_image(top, base)}
    path = write_docker_archive(tmp_path / "a.tar", images)
    loaded = await (await open_store(tmp_path)).load(read_file(path))
    assert [each.facts.id for each in loaded] == [derive_digest(each.config) for each in images.values()]


async def test_an_image_source_takes_the_image_of_its_name(tmp_path: Path) -> None:
    first, second = build(), make_image(make_layer(pack([make_entry("x", b"y")])), command="x")
    path = write_docker_archive(tmp_path / "a.tar", {"shop:1": first, "shop:2": second})
    store = await open_store(tmp_path)
    facts = await store.import_archive(str(path), ImageConfig(), name="shop:2")
    assert facts.config.command == ("x",)
    assert len(await store.list()) == 1
    with pytest.raises(
        NotFound, match=r"a\.tar has several images, none of them named shop:3: shop:1, shop:2"
    ):
        await store.import_archive(str(path), ImageConfig(), name="shop:3")
    with pytest.raises(Invalid, match="leave out"):
        await store.import_archive(str(path), ImageConfig(user="1"), name="shop:1")


ATTACKS = {
    "link_out_of_the_archive": [make_entry("manifest.json", type=b"2", linkname="/etc/passwd")],
    "config_outside": [make_entry("manifest.json", b'[{"Config":"../../etc/passwd","Layers":[]}]')],
    "manifest_of_the_wrong_type": [make_entry("manifest.json", b'{"a": 1}')],
    "manifest_nested_without_end": [make_entry("manifest.json", b"[" * 100_000)],
    "index_in_itself": [
        make_entry("oci-layout", b"{}"),
        make_entry(
            "index.json",
            b'{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%b"}]}'
            % (b"0" * 64),
        ),
        make_entry(f"blobs/sha256/{'0' * 64}", type=b"2", linkname="../../index.json"),
    ],
    "no_image_archive": [make_entry("etc/passwd", b"")],
    "manifest_as_a_pipe": [make_entry("manifest.json", type=b"6")],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_refused(tmp_path: Path, attack: str) -> None:
    store = await open_store(tmp_path)
    with pytest.raises(Invalid):
        await store.load(in_pieces(pack(ATTACKS[attack])))
    assert await store.list() == ()
    assert store.blobs.list() == ()


async def test_a_layer_that_is_not_the_one_it_says_is_refused(tmp_path: Path) -> None:
    image = build()
    forged = make_layer(pack([make_entry("etc/evil", b"!")]))
    wrong = BuiltImage(layers=(image.layers[0], forged), config=image.config, manifest=image.manifest)
    store = await open_store(tmp_path)
    with pytest.raises(Invalid, match="unpacks to"):
        await store.load(read_file(write_docker_archive(tmp_path / "a.tar", {"shop:1": wrong})))
    assert await store.list() == ()
    await store.collect(keep=frozenset())
    assert store.blobs.list() == ()
    assert store.layers.list() == ()


def podman(tmp_path: Path, *arguments: str) -> None:
    """Run podman with a storage of its own."""
    options = ["--root", f"{tmp_path}/podman", "--runroot", "/run/hold-podman", "--storage-driver", "vfs"]
    options += ["--events-backend", "file", "--cgroup-manager", "cgroupfs"]
    subprocess.run(["podman", *options, *arguments], check=True, capture_output=True)


@pytest.mark.needs("podman")
async def test_podman_reads_ours_and_we_read_podmans(saved: tuple[BuiltImage, Path], tmp_path: Path) -> None:
    image, path = saved
    podman(tmp_path, "load", "-q", "-i", str(path))
    for kind in ("docker-archive", "oci-archive"):
        archive_path = tmp_path / f"{kind}.tar"
        podman(tmp_path, "save", "-q", "--format", kind, "-o", str(archive_path), "shop:1")
        [loaded] = await (await open_store(tmp_path / kind)).load(read_file(archive_path))
        assert [name.rpartition("/")[2] for name in loaded.names] == ["shop:1"]
        assert loaded.facts.layers == image.chain_ids
