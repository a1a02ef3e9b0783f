"""One image with all that is hard, unpacked by us and by others, compared file by file."""

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.images.documents import derive_digest
from controller.images.imports import read_file
from controller.images.store import ImageStore
from controller.kernel.roots.overlay import mount_overlay
from controller.kernel.syscalls import umount2
from controller.model.archives import SavedImage
from tests.kernel.image_builder import (
    BuiltImage,
    make_entry,
    make_image,
    make_layer,
    make_layout,
    open_store,
    pack,
    put_image,
)
from tests.kernel.image_trees import assert_same, describe_tree
from tests.machine import wait_for

DIALECTS = ("old", "0.0", "0.1", "1.0")
"""Ways of GNU tar to write a file with holes."""
PEER_DIALECTS = DIALECTS[1:]
"""Those that others read too: none of them knows GNU's own type of entry."""
CAPABILITY = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
"""cap_net_raw+ep, as in a file's security.capability (capabilities(7), version 2)."""
TOUCHED = frozenset({".: mtime_ns"})
"""Docker and Podman work in the root directory after they have set its time."""
COPIED = frozenset({"bin/hard-to-link: same"})
"""Podman's vfs driver copies layers, and with that makes two links of one."""
UNCOVERED = frozenset({"again/below"})
"""Docker forgets the whiteout of a directory that the same layer makes anew."""
ROOT = make_entry(".", type=tarfile.DIRTYPE, mode=0o755, mtime=1_500_000_000)


def folder(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a directory."""
    return make_entry(name, b"", **{"type": tarfile.DIRTYPE, "mode": 0o755, "mtime": 1000, **fields})


LOWER = [
    ROOT,
    folder("etc", mtime=1_000_000_001.25),
    make_entry("etc/plain", b"plain\n", uid=1000, gid=100, mtime=1_234_567_890.123456789),
    make_entry("etc/early", b"", mtime=1),
    make_entry("etc/nobody", b"", uid=4_000_000_000, gid=65534),
    make_entry("etc/no mode", b"x", mode=0),
    make_entry("etc/new\nline", b"x"),
    make_entry("etc/ü\udcff", b"x"),
    folder("bin", mode=0o2775, gid=7),
    make_entry("bin/inherits-nothing", b"x", gid=0),
    make_entry("bin/su", b"#!", mode=0o4755, uid=3, gid=4),
    make_entry("bin/ping", b"#!", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY}),
    make_entry("bin/hard", type=tarfile.LNKTYPE, linkname="bin/su", mode=0o4755, uid=3, gid=4),
    make_entry("bin/absolute", type=tarfile.SYMTYPE, linkname="/etc/plain", uid=5, mtime=99),
    make_entry("bin/dangling", type=tarfile.SYMTYPE, linkname="../../../nowhere"),
    make_entry("bin/hard-to-link", type=tarfile.LNKTYPE, linkname="bin/dangling"),
    folder("dev"),
    make_entry("dev/pipe", type=tarfile.FIFOTYPE, mode=0o622),
    make_entry("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666, uid=1),
    make_entry("dev/disk", type=tarfile.BLKTYPE, devmajor=259, devminor=300, mode=0o660, gid=6),
    folder("tmp", mode=0o1777),
    make_entry("xattr", b"x", pax_headers={"SCHILY.xattr.user.note": "one\nline"}),
    folder("long" * 50),
    folder(f"{'long' * 50}/{'path' * 50}"),
    make_entry(f"{'long' * 50}/{'path' * 50}/{'file' * 50}", b"far down"),
    make_entry("zeros", bytes(300_000) + b"end"),
    folder("gone"),
    make_entry("gone/file", b"x"),
    folder("opaque"),
    make_entry("opaque/below", b"x"),
    folder("again"),
    make_entry("again/below", b"x"),
    folder("becomes-file"),
    make_entry("becomes-file/inner", b"x"),
    make_entry("becomes-folder", b"x"),
    folder("becomes-link"),
    make_entry("becomes-link/inner", b"x"),
    folder("mode-changes", mode=0o700),
    make_entry("mode-changes/stays", b"x"),
]
UPPER = [
    ROOT,
    make_entry(".wh.gone"),
    make_entry("etc/.wh.early"),
    folder("etc", mtime=1_000_000_002),
    folder("opaque", mtime=2000),
    make_entry("opaque/.wh..wh..opq"),
    make_entry("opaque/above", b"x"),
    make_entry(".wh.again"),
    folder("again", mtime=3000),
    make_entry("again/above", b"x"),
    make_entry("becomes-file", b"file"),
    folder("becomes-folder"),
    make_entry("becomes-folder/inner", b"x"),
    make_entry("becomes-link", type=tarfile.SYMTYPE, linkname="etc"),
    folder("mode-changes", mode=0o755, uid=9),
    make_entry("one", b"shared"),
    make_entry("two", type=tarfile.LNKTYPE, linkname="one"),
]


def make_sparse_archive(tmp_path: Path, dialect: str) -> bytes:
    """Return what GNU tar makes of a file with holes."""
    path = tmp_path / "holes"
    with path.open("wb") as file:
        for offset in range(0, 20 << 20, 1 << 20):
            file.seek(offset + 4096)
            file.write(b"island")
        file.truncate(21 << 20)
    os.utime(path, (1000, 1000))
    form = {"old": ["--format=gnu"], "0.0": ["--format=posix", "--sparse-version=0.0"]}.get(
        dialect, ["--format=posix", f"--sparse-version={dialect}"]
    )
    command = ["tar", "-C", str(tmp_path), "--sparse", *form, "--transform", f"s/holes/holes-{dialect}/"]
    return subprocess.run([*command, "-cf", "-", "holes"], check=True, capture_output=True).stdout


def build_image(tmp_path: Path, *dialects: str) -> BuiltImage:
    """Return the image, with a layer for each way to write a file with holes."""
    sparse = [make_layer(make_sparse_archive(tmp_path, dialect)) for dialect in dialects]
    return make_image(make_layer(pack(LOWER)), *sparse, make_layer(pack(UPPER), suffix=""))


@contextmanager
def mounted(lower_paths: list[str], tmp_path: Path) -> Iterator[Path]:
    """Mount layers, topmost first, as a container sees them."""
    target = tmp_path / "merged"
    links = tmp_path / "links"
    target.mkdir(exist_ok=True)
    links.mkdir(exist_ok=True)
    mount_overlay(str(target), lower_paths, None, str(links))
    try:
        yield target
    finally:
        umount2(str(target))


async def unpack(store: ImageStore, image: BuiltImage, tmp_path: Path) -> dict[str, dict[str, object]]:
    """Return what we make of it."""
    await put_image(store, image)
    layout = make_layout(tmp_path)
    with mounted([layout.layer_path(each) for each in reversed(image.chain_ids)], tmp_path) as root_path:
        return describe_tree(root_path)


async def test_what_it_comes_to(tmp_path: Path) -> None:
    image = build_image(tmp_path, *DIALECTS)
    tree = await unpack(await open_store(tmp_path), image, tmp_path)
    assert {"gone", "gone/file", "etc/early", "opaque/below", "again/below"} & tree.keys() == set()
    assert {"opaque/above", "again/above", "mode-changes/stays", "becomes-folder/inner"} <= tree.keys()
    assert tree["bin/hard"]["same"] == tree["bin/su"]["same"]
    assert tree["bin/su"]["mode"] == "0o4755"
    assert tree["bin/inherits-nothing"]["owner"] == (0, 0)
    assert tree["bin/ping"]["xattrs"] == {"security.capability": CAPABILITY.encode()}
    assert tree["etc/plain"]["mtime_ns"] == 1_234_567_890_123_456_700  # as many digits as tarfile writes
    for dialect in DIALECTS:
        assert tree[f"holes-{dialect}"]["content"] == tree["holes-old"]["content"]
    layer_path = Path(make_layout(tmp_path).layer_path(image.chain_ids[1]))
    assert (layer_path / "holes-old").stat().st_blocks * 512 < 1 << 20


@pytest.mark.needs("umoci")
async def test_umoci_comes_to_the_same(tmp_path: Path) -> None:
    image = build_image(tmp_path, *PEER_DIALECTS)
    store = await open_store(tmp_path)
    ours = await unpack(store, image, tmp_path)
    layout_path = tmp_path / "layout"
    layout_path.mkdir()
    run("tar", "-C", str(layout_path), "-xf", str(await save(store, image, tmp_path)))
    run("umoci", "unpack", "--image", f"{layout_path}:1", str(tmp_path / "bundle"))
    assert_same(ours, describe_tree(tmp_path / "bundle/rootfs"))


@pytest.mark.needs("podman")
async def test_podman_comes_to_the_same(tmp_path: Path) -> None:
    image = build_image(tmp_path, *PEER_DIALECTS)
    store = await open_store(tmp_path)
    ours = await unpack(store, image, tmp_path)
    podman = ["podman", "--root", f"{tmp_path}/podman", "--runroot", "/run/hold-podman-peer"]
    podman += ["--storage-driver", "vfs", "--events-backend", "file", "--cgroup-manager", "cgroupfs"]
    run(*podman, "load", "-q", "-i", str(await save(store, image, tmp_path)))
    root_path = Path(run(*podman, "image", "mount", "hard:1").strip())
    assert_same(ours, describe_tree(root_path), but=TOUCHED | COPIED)


@pytest.mark.needs("dockerd")
async def test_docker_comes_to_the_same(tmp_path: Path) -> None:
    image = build_image(tmp_path, *PEER_DIALECTS)
    store = await open_store(tmp_path)
    ours = await unpack(store, image, tmp_path)
    plain = make_image(make_layer(pack([ROOT, make_entry("etc/plain", b"x")])))
    await put_image(store, plain)
    archive_path = await save(store, image, tmp_path, plain)
    with docker(tmp_path) as command:
        run(*command, "load", "-q", "-i", str(archive_path))
        [inspected] = json.loads(run(*command, "image", "inspect", "hard:1"))
        assert inspected["Id"] == derive_digest(image.config)
        layers = inspected["GraphDriver"]["Data"]
        lower_paths = [layers["UpperDir"], *layers["LowerDir"].split(":")]
        with mounted(lower_paths, tmp_path) as root_path:
            assert_same(ours, describe_tree(root_path), but=TOUCHED | UNCOVERED)
        run(*command, "save", "-o", str(tmp_path / "docker.tar"), "plain:1")
    [loaded] = await (await open_store(tmp_path / "2")).load(read_file(tmp_path / "docker.tar"))
    assert (loaded.names, loaded.facts.id) == (("plain:1",), derive_digest(plain.config))


@contextmanager
def docker(tmp_path: Path) -> Iterator[list[str]]:
    """Run a dockerd of the test's own; yields how its client is called."""
    address = "unix:///run/hold-docker-peer.sock"
    command = ["dockerd", "--host", address, "--data-root", f"{tmp_path}/docker", "--bridge", "none"]
    command += ["--exec-root", "/run/hold-docker-peer", "--pidfile", "/run/hold-docker-peer.pid"]
    command += ["--iptables=false", "--ip-masq=false", "--storage-driver", "overlay2"]
    client = ["/usr/bin/docker", "--host", address]
    with (
        (tmp_path / "dockerd.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as daemon,
    ):
        try:
            wait_for(
                lambda: not subprocess.run([*client, "info"], capture_output=True, check=False).returncode,
                "dockerd",
            )
            yield client
        finally:
            daemon.terminate()


def run(*command: str) -> str:
    """Run a program, which has to succeed, and return what it printed."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{command}: {answer.stderr}"
    return answer.stdout


async def save(store: ImageStore, image: BuiltImage, tmp_path: Path, *others: BuiltImage) -> Path:
    """Return an archive of the image as hard:1, and of others as plain:1."""
    path = tmp_path / "image.tar"
    named = [("hard:1", image), *(("plain:1", other) for other in others)]
    wants = [SavedImage(manifest_digest=derive_digest(each.manifest), names=(name,)) for name, each in named]
    with path.open("wb") as file:
        async for chunk in store.save(wants):
            file.write(chunk)
    return path
