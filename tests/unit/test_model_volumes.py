"""Options of volumes: what the driver local takes, and the mount that it comes to."""

import pytest
from pydantic import ValidationError

from controller.model.volume import VolumeSpec
from controller.model.volume_options import find_nfs_server
from controller.model.wants import VolumeMount
from controller.plan.volume_mount import derive_mount, render_mount_command, set_nfs_address

TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000"}
NFS = {"type": "nfs", "device": ":/srv", "o": "addr=store.example,rw,nfsvers=4.1"}


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (TMPFS, "-t tmpfs -o size=1m,uid=1000 -- tmpfs /t"),
        ({"type": "none", "device": "/srv", "o": "bind,ro"}, "-t none -o bind,ro -- /srv /t"),
        ({"type": "ext4", "device": "/dev/vdb"}, "-t ext4 -- /dev/vdb /t"),
        (NFS, "-t nfs -o addr=store.example,rw,nfsvers=4.1 -- :/srv /t"),
        ({"type": "nfs4", "device": "store.example:/srv"}, "-t nfs4 -- store.example:/srv /t"),
    ],
)
def test_options_come_to_a_mount(options: dict[str, str], command: str) -> None:
    mount = derive_mount(VolumeSpec(driver_options=options))
    assert mount is not None
    assert " ".join(render_mount_command(mount, "/t")) == f"mount --internal-only --no-mtab {command}"


def test_a_volume_without_options_is_a_directory() -> None:
    assert derive_mount(VolumeSpec()) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"typ": "nfs"},
            r"'typ' is not an option of driver local \(did you mean type\?\): use type, o, device",
        ),
        ({"size": "1g"}, "size needs quotas"),
        ({"type": "tmpfs"}, "device is missing"),
        ({"device": "tmpfs", "o": "size=1m"}, "type is missing"),
        ({"o": "bind"}, "type is missing"),
        ({"type": "none", "device": "/srv", "o": "ro"}, "needs o=bind or o=rbind"),
        ({"type": "none", "device": "srv", "o": "rbind"}, "'srv' of a bind has to be an absolute path"),
        ({"type": "nfs", "device": "/srv", "o": "addr=a"}, "has to be :/PATH or SERVER:/PATH"),
        ({"type": "nfs", "device": ":/srv"}, "names no server: add addr=SERVER"),
        ({**NFS, "o": "addr=a,vers=5"}, "'vers=5' in o is no version of nfs: use 2, 3, 4"),
    ],
)
def test_options_that_no_mount_can_be_made_of(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        VolumeSpec(driver_options=options)


def test_a_copy_has_no_options() -> None:
    with pytest.raises(ValidationError, match="source is for a volume without driverOptions"):
        VolumeSpec.model_validate({"driverOptions": TMPFS, "source": {"volume": "data"}})


@pytest.mark.parametrize(
    ("device", "options", "server"),
    [
        (":/srv", ("rw", "addr=a"), "a"),
        ("b:/srv", ("addr=a",), "a"),
        ("b:/srv", (), "b"),
        ("[fd00::1]:/srv", (), "fd00::1"),
        (":/srv", (), ""),
    ],
)
def test_the_server_of_nfs(device: str, options: tuple[str, ...], server: str) -> None:
    assert find_nfs_server(device, options) == server


def test_the_kernel_gets_an_address_in_place_of_a_name() -> None:
    mount = derive_mount(VolumeSpec(driver_options=NFS))
    assert mount is not None
    assert set_nfs_address(mount, "10.0.0.5").options == ("rw", "nfsvers=4.1", "addr=10.0.0.5")
    memory = VolumeMount(kind="tmpfs", device="tmpfs", options=("addr=kept",))
    assert set_nfs_address(memory, "10.0.0.5") == memory
