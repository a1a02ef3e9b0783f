"""What every adapter of VolumeDirectories promises."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from controller.errors import Unavailable
from controller.model.facts import VolumeFacts
from controller.model.ids import Uid
from controller.model.wants import RootWant, VolumeWant
from tests.contract.containers import WEB, ContainerPorts

DATA, OTHER = Uid("a" * 32), Uid("b" * 32)


async def test_all_are_listed(containers: ContainerPorts) -> None:
    assert await containers.volumes.list() == ()
    await containers.volumes.ensure(DATA)
    await containers.volumes.ensure(OTHER)
    assert {facts.uid for facts in await containers.volumes.list()} == {DATA, OTHER}


async def test_making_one_again_changes_nothing(containers: ContainerPorts) -> None:
    await containers.volumes.ensure(DATA)
    await containers.volumes.ensure(DATA)
    assert await containers.volumes.list() == (VolumeFacts(uid=DATA),)
    assert await containers.volumes.read(DATA) == VolumeFacts(uid=DATA)


async def test_a_deleted_one_is_gone(containers: ContainerPorts) -> None:
    await containers.volumes.delete(DATA)
    await containers.volumes.ensure(DATA)
    await containers.volumes.delete(DATA)
    await containers.volumes.delete(DATA)
    assert await containers.volumes.list() == ()


@pytest.mark.kernel
async def test_a_new_one_is_empty(linux: ContainerPorts) -> None:
    umask = os.umask(0o077)
    try:
        await linux.volumes.ensure(DATA)
    finally:
        os.umask(umask)
    assert _describe(linux.layout.volume_path(DATA)) == {".": (0o040755, 0, "")}


@pytest.mark.kernel
async def test_filling_keeps_owners_and_modes(linux: ContainerPorts) -> None:
    await linux.volumes.ensure(DATA)
    await linux.contents.prefill(VolumeWant(uid=DATA), _fill_image(linux), "/srv/data")
    assert _describe(linux.layout.volume_path(DATA)) == {
        ".": (0o041770, 7, ""),
        "note": (0o104750, 8, "hello"),
        "deep": (0o040701, 9, ""),
        "deep/pipe": (0o010600, 0, ""),
        "link": (0o120777, 0, "/etc/passwd"),
    }


@pytest.mark.kernel
@pytest.mark.parametrize("path", ["/no/such/place", "/etc/passwd", "/loop"])
async def test_nothing_to_fill_it_with_leaves_it_empty(linux: ContainerPorts, path: str) -> None:
    source = _fill_image(linux)
    await linux.volumes.ensure(DATA)
    await linux.contents.prefill(VolumeWant(uid=DATA), source, path)
    assert _describe(linux.layout.volume_path(DATA)) == {".": (0o040755, 0, "")}


@pytest.mark.kernel
async def test_one_that_has_something_is_not_filled(linux: ContainerPorts) -> None:
    await linux.volumes.ensure(DATA)
    _write(f"{linux.layout.volume_path(DATA)}/own", "mine")
    await linux.contents.prefill(VolumeWant(uid=DATA), _fill_image(linux), "/srv/data")
    assert set(_describe(linux.layout.volume_path(DATA))) == {".", "own"}


@pytest.mark.kernel
async def test_filling_sees_all_layers_and_whiteouts(linux: ContainerPorts) -> None:
    source = _fill_image(linux)
    top = f"{linux.layout.root_path}/layers/top"
    _write(f"{top}/srv/data/new", "above")
    os.mknod(f"{top}/srv/data/note", stat.S_IFCHR, os.makedev(0, 0))
    await linux.volumes.ensure(DATA)
    layers = RootWant(uid=WEB, lower_paths=(top, *source.lower_paths))
    await linux.contents.prefill(VolumeWant(uid=DATA), layers, "/srv/data")
    assert set(_describe(linux.layout.volume_path(DATA))) == {".", "new", "deep", "deep/pipe", "link"}


@pytest.mark.kernel
async def test_filling_follows_links_inside_the_image_only(linux: ContainerPorts) -> None:
    source = _fill_image(linux)
    _write(f"{linux.layout.root_path}/outside/secret", "host's")
    _link(f"{linux.image_path}/way-out", f"{linux.layout.root_path}/outside")
    _link(f"{linux.image_path}/data", "/srv/data")
    for volume, path in ((DATA, "/data"), (OTHER, "/way-out")):
        await linux.volumes.ensure(volume)
        await linux.contents.prefill(VolumeWant(uid=volume), source, path)
    assert "note" in _describe(linux.layout.volume_path(DATA))
    assert set(_describe(linux.layout.volume_path(OTHER))) == {"."}


@pytest.mark.kernel
async def test_whoever_comes_second_waits_for_the_filling(linux: ContainerPorts) -> None:
    source = _fill_image(linux)
    await linux.volumes.ensure(DATA)

    async def fill(container: str) -> None:
        want = RootWant(uid=Uid(container * 32), lower_paths=source.lower_paths)
        await linux.contents.prefill(VolumeWant(uid=DATA), want, "/srv/data")
        assert "deep/pipe" in _describe(linux.layout.volume_path(DATA))

    async with asyncio.TaskGroup() as tasks:
        for container in "12345678":
            tasks.create_task(fill(container))


@pytest.mark.kernel
async def test_filling_leaves_nothing_else(host_left_as_found: None, linux: ContainerPorts) -> None:
    del host_left_as_found
    await linux.volumes.ensure(DATA)
    await linux.contents.prefill(VolumeWant(uid=DATA), _fill_image(linux), "/srv/data")


def _fill_image(linux: ContainerPorts) -> RootWant:
    """Add /srv/data with all sorts of files to the image."""
    data = Path(linux.image_path, "srv/data")
    (data / "deep").mkdir(parents=True)
    _write(str(data / "note"), "hello")
    os.mkfifo(data / "deep/pipe", 0o600)
    (data / "link").symlink_to("/etc/passwd")
    Path(linux.image_path, "loop").symlink_to("loop")
    for path, owner, mode in ((data, 7, 0o1770), (data / "note", 8, 0o4750), (data / "deep", 9, 0o701)):
        os.chown(path, owner, owner)
        path.chmod(mode)
    return RootWant(uid=WEB, lower_paths=(linux.image_path,))


def _write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def _link(path: str, target: str) -> None:
    Path(path).symlink_to(target)


def _describe(path: str) -> dict[str, tuple[int, int, str]]:
    """Return mode with type, owner, and text or target, of everything in a directory and of itself."""
    top = Path(path)
    return {str(item.relative_to(top)): _describe_one(item) for item in (top, *top.rglob("*"))}


def _describe_one(path: Path) -> tuple[int, int, str]:
    status = path.lstat()
    if path.is_symlink():
        return status.st_mode, status.st_uid, str(path.readlink())
    return status.st_mode, status.st_uid, path.read_text() if path.is_file() else ""


async def test_what_has_no_directory_is_not_filled(containers: ContainerPorts) -> None:
    with pytest.raises(Unavailable, match="gone"):
        await containers.contents.prefill(VolumeWant(uid=DATA), RootWant(uid=WEB, lower_paths=()), "/srv")
    assert await containers.volumes.list() == ()
