"""What every adapter of Roots promises."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import NotFound
from controller.model.facts import AccountFiles, RootFacts
from controller.model.wants import RootWant
from tests.contract.containers import DB, GROUP, PASSWD, WEB, ContainerPorts


def _want(containers: ContainerPorts) -> RootWant:
    return RootWant(uid=WEB, lower_paths=(containers.image_path,))


def _layer(linux: ContainerPorts, name: str, files: dict[str, str]) -> str:
    """Make a layer with these files; returns its path."""
    layer_path = Path(linux.layout.root_path) / name
    for file_name, text in files.items():
        (layer_path / file_name).parent.mkdir(parents=True, exist_ok=True)
        (layer_path / file_name).write_text(text)
    return str(layer_path)


def _names(path: str) -> list[str]:
    return [item.name for item in Path(path).iterdir()]


def _dress(path: str, *, mode: int, owner: int) -> None:
    os.chown(path, owner, owner)
    Path(path).chmod(mode)


def _look(path: str) -> tuple[int, int]:
    """Return mode and owner."""
    status = Path(path).stat()
    return status.st_mode & 0o7777, status.st_uid


def _link(path: str, target: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).symlink_to(target)


async def test_one_that_was_mounted_is_as_wanted(containers: ContainerPorts) -> None:
    want = _want(containers)
    await containers.roots.mount(want)
    facts = RootFacts(uid=WEB, mounted=True, lower_paths=want.lower_paths, has_upper=True)
    assert await containers.roots.read(WEB) == facts
    assert await containers.roots.list() == (facts,)


async def test_mounting_again_changes_nothing(containers: ContainerPorts) -> None:
    await containers.roots.mount(_want(containers))
    before = await containers.roots.list()
    await containers.roots.mount(_want(containers))
    assert await containers.roots.list() == before


async def test_the_writable_layer_outlives_the_mount(containers: ContainerPorts) -> None:
    await containers.roots.mount(_want(containers))
    await containers.roots.unmount(WEB)
    assert await containers.roots.list() == (RootFacts(uid=WEB, mounted=False, has_upper=True),)
    await containers.roots.unmount(WEB)
    await containers.roots.delete(WEB)
    assert await containers.roots.list() == ()


async def test_one_that_is_missing_is_left_alone(containers: ContainerPorts) -> None:
    assert await containers.roots.read(DB) == RootFacts(uid=DB, mounted=False)
    await containers.roots.unmount(DB)
    await containers.roots.delete(DB)
    assert await containers.roots.list() == ()


@pytest.mark.kernel
async def test_what_is_written_goes_to_the_own_layer(linux: ContainerPorts) -> None:
    await linux.roots.mount(_want(linux))
    merged_path = linux.layout.merged_path(WEB)
    _layer(linux, merged_path, {"data/note": "mine"})
    await linux.roots.unmount(WEB)
    await linux.roots.mount(_want(linux))
    assert _names(f"{merged_path}/data") == ["note"]
    assert "data" not in _names(linux.image_path)


@pytest.mark.kernel
async def test_the_topmost_layer_is_the_first(linux: ContainerPorts) -> None:
    top = _layer(linux, "layers/top", {"etc/passwd": "top", "only/top": ""})
    await linux.roots.mount(RootWant(uid=WEB, lower_paths=(top, linux.image_path)))
    assert _names(f"{linux.layout.merged_path(WEB)}/only") == ["top"]
    assert (
        await linux.roots.read_accounts(RootWant(uid=WEB, lower_paths=(top, linux.image_path)))
    ).passwd == "top"
    assert (await linux.roots.read(WEB)).lower_paths == (top, linux.image_path)


@pytest.mark.kernel
async def test_a_mount_of_other_layers_is_replaced(linux: ContainerPorts) -> None:
    await linux.roots.mount(_want(linux))
    other = RootWant(uid=WEB, lower_paths=(_layer(linux, "layers/other", {"other": ""}),))
    await linux.roots.mount(other)
    assert _names(linux.layout.merged_path(WEB)) == ["other"]
    assert (await linux.roots.read(WEB)).lower_paths == other.lower_paths


@pytest.mark.kernel
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["a:b", "c,d", "e f", "g\\h", "i'\"j"], id="special letters"),
        pytest.param([f"{number:03}{'x' * 60}" for number in range(120)], id="many layers"),
    ],
)
async def test_any_layers_can_be_mounted(linux: ContainerPorts, names: list[str]) -> None:
    paths = tuple(
        _layer(linux, f"layers/{name}", {f"file-{number}": ""}) for number, name in enumerate(names)
    )
    await linux.roots.mount(RootWant(uid=WEB, lower_paths=paths))
    assert (await linux.roots.read(WEB)).lower_paths == paths
    found = _names(linux.layout.merged_path(WEB))
    assert sorted(found) == sorted(f"file-{number}" for number in range(len(names)))


@pytest.mark.kernel
async def test_a_missing_layer_is_named(linux: ContainerPorts) -> None:
    with pytest.raises(NotFound, match="/no/such/layer"):
        await linux.roots.mount(RootWant(uid=WEB, lower_paths=("/no/such/layer",)))
    assert not (await linux.roots.read(WEB)).mounted


@pytest.mark.kernel
async def test_the_top_directory_looks_as_in_the_image(linux: ContainerPorts) -> None:
    merged_path = linux.layout.merged_path(WEB)
    _dress(linux.image_path, mode=0o751, owner=7)
    await linux.roots.mount(_want(linux))
    assert _look(merged_path) == (0o751, 7)
    _dress(merged_path, mode=0o710, owner=9)
    await linux.roots.unmount(WEB)
    await linux.roots.mount(_want(linux))
    assert _look(merged_path) == (0o710, 9)


@pytest.mark.kernel
@pytest.mark.parametrize("mounted", [True, False])
async def test_accounts_are_those_that_the_container_sees(linux: ContainerPorts, *, mounted: bool) -> None:
    hosts = _layer(linux, "layers/secret", {"passwd": "host:x:0:0::/:/bin/sh\n"})
    top = _layer(linux, "layers/top", {"usr/lib/passwd": "top:x:1:1::/:/bin/sh\n"})
    _link(f"{top}/etc/passwd", "/usr/lib/passwd")
    _link(f"{top}/etc/group", f"{hosts}/passwd")
    want = RootWant(uid=WEB, lower_paths=(top, linux.image_path))
    if mounted:
        await linux.roots.mount(want)
    assert await linux.roots.read_accounts(want) == AccountFiles(passwd="top:x:1:1::/:/bin/sh\n")
    plain = RootWant(uid=DB, lower_paths=(linux.image_path,))
    assert await linux.roots.read_accounts(plain) == AccountFiles(passwd=PASSWD, group=GROUP)


@pytest.mark.kernel
async def test_a_root_changes_hands(linux: ContainerPorts) -> None:
    """Layers stay as they are, the writable layer belongs to whom the root is for."""
    base = 1 << 30
    plain, own = _want(linux), replace(_want(linux), id_base=base)
    merged, upper = Path(linux.layout.merged_path(WEB)), Path(linux.layout.upper_path(WEB))
    await linux.roots.mount(plain)
    (merged / "mine").write_text("x")
    _dress(str(merged / "mine"), mode=0o4755, owner=7)
    (merged / "link").symlink_to("mine")
    await linux.roots.unmount(WEB)
    await linux.roots.mount(own)
    facts = await linux.roots.read(WEB)
    assert facts == RootFacts(
        uid=WEB, mounted=True, lower_paths=own.lower_paths, has_upper=True, id_base=base
    )
    assert _look(str(merged / "mine")) == (0o4755, base + 7)
    assert (merged / "bin/busybox").stat().st_uid == base
    assert (merged / "link").lstat().st_uid == base
    assert Path(linux.image_path, "bin/busybox").stat().st_uid == 0
    assert not list(Path(linux.layout.roots_path, ".mapped").iterdir())
    await linux.roots.mount(plain)
    assert _look(str(upper / "mine")) == (0o4755, 7)
    assert (await linux.roots.read(WEB)).id_base == 0
